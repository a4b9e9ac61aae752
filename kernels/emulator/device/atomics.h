// Atomic operations on global and shared memory. Real ones: blocks run on several OS threads at once.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace emulator {

// *address = f(*address), atomically; gives the value before.
template <class T, class F>
T atomic_update(T* address, F f) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    auto* word = reinterpret_cast<Bits*>(address);
    Bits before = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    for (;;) {
        T old;
        std::memcpy(&old, &before, sizeof old);
        T updated = f(old);
        Bits after;
        std::memcpy(&after, &updated, sizeof after);
        if (__atomic_compare_exchange_n(word, &before, after, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return old;
        }
    }
}

// The operand has the type of the memory, however it was spelled in the call.
template <class T>
struct Operand {
    using Type = T;
};

}  // namespace emulator

template <class T>
T atomicAdd(T* address, typename emulator::Operand<T>::Type value) {
    return emulator::atomic_update(address, [=](T old) { return T(old + value); });
}
template <class T>
T atomicSub(T* address, typename emulator::Operand<T>::Type value) {
    return emulator::atomic_update(address, [=](T old) { return T(old - value); });
}
template <class T>
T atomicMax(T* address, typename emulator::Operand<T>::Type value) {
    static_assert(std::is_integral_v<T>, "CUDA has atomicMax for integers only");
    return emulator::atomic_update(address, [=](T old) { return old > value ? old : value; });
}
template <class T>
T atomicMin(T* address, typename emulator::Operand<T>::Type value) {
    static_assert(std::is_integral_v<T>, "CUDA has atomicMin for integers only");
    return emulator::atomic_update(address, [=](T old) { return old < value ? old : value; });
}
template <class T>
T atomicAnd(T* address, typename emulator::Operand<T>::Type value) {
    return emulator::atomic_update(address, [=](T old) { return T(old & value); });
}
template <class T>
T atomicOr(T* address, typename emulator::Operand<T>::Type value) {
    return emulator::atomic_update(address, [=](T old) { return T(old | value); });
}
template <class T>
T atomicExch(T* address, typename emulator::Operand<T>::Type value) {
    return emulator::atomic_update(address, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* address, typename emulator::Operand<T>::Type expected, typename emulator::Operand<T>::Type value) {
    static_assert(std::is_integral_v<T>, "CUDA has atomicCAS for integers only");
    return emulator::atomic_update(address, [=](T old) { return old == expected ? value : old; });
}
// Counts up to `limit`, then starts again at 0: the "am I the last block" counter.
inline unsigned atomicInc(unsigned* address, unsigned limit) {
    return emulator::atomic_update(address, [=](unsigned old) { return old >= limit ? 0 : old + 1; });
}
