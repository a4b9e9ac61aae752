// Parameter updates in place: Adam, moving average; and the sums of squares that clipping needs. Bound by memory: one
// pass, 16 bytes at a time where all operands start at such boundaries. A model has hundreds of small parameters, so that a
// launch takes a list of them.
//
// Figure: not yet measured.
#include "block.cuh"
#include "maths.cuh"
#include "strided.cuh"

// The coefficients of a step, as `Scalars` in `adam.rs`; and as kernels use them, converted once.
struct Scalars {
    f64 gradient, keep, mean, beta2, square, step, root, eps;
};
template <class T> struct Step {
    T gradient, keep, mean, beta2, square, step, root, eps;

    __device__ __forceinline__ Step(const Scalars& s)
        : gradient(T(s.gradient)), keep(T(s.keep)), mean(T(s.mean)), beta2(T(s.beta2)), square(T(s.square)),
          step(T(s.step)), root(T(s.root)), eps(T(s.eps)) {}

    __device__ __forceinline__ void update(T& param, T grad, T& m, T& v) const {
        T g = gradient * grad;
        m = m + mean * (g - m);
        v = beta2 * v + square * g * g;
        param = keep * param + step * m / (::root(v) / root + eps);
    }
};

template <class... Pointers> __device__ __forceinline__ bool are_aligned(Pointers... pointers) {
    return ((reinterpret_cast<size_t>(pointers) % 16 == 0) && ...);
}

// Up to LIST tensors of one launch, each with P operands of as many elements; `first`: of its chunks, one a block.
constexpr u32 LIST = 64, CHUNK = 4096;
template <class T, int P> struct List {
    T* at[P][LIST];
    u32 count[LIST], first[LIST];
    u32 tensors, unused;
};

// What a block of a list does: elements from .. to of a tensor.
struct Place {
    u32 tensor, from, to;

    template <class L> __device__ __forceinline__ explicit Place(const L& list) {
        u32 low = 0, high = list.tensors;
        while (high - low > 1) {
            u32 middle = (low + high) / 2;
            (list.first[middle] <= blockIdx.x ? low : high) = middle;
        }
        tensor = low;
        from = (blockIdx.x - list.first[low]) * CHUNK;
        to = min(from + CHUNK, list.count[low]);
    }

    // All of it: f(vector) for vectors of `lanes` elements, then g(element).
    template <class F, class G> __device__ __forceinline__ void each(bool vectors, u32 lanes, F f, G g) const {
        u32 whole = vectors ? from + (to - from) / lanes * lanes : from;
        for (u32 i = from + threadIdx.x * lanes; i < whole; i += blockDim.x * lanes) f(i);
        for (u32 i = whole + threadIdx.x; i < to; i += blockDim.x) g(i);
    }
};

// The step's coefficients are those of the launch, or lie in memory, which a recorded launch reads anew at every replay. A
// factor of the gradient that is not a number: nothing is updated.
template <class T> __device__ void adam(const List<T, 4>& list, const Scalars& given, const Scalars* table) {
    constexpr u32 LANES = 16 / sizeof(T);
    Scalars scalars = table ? *table : given;
    if (!(scalars.gradient == scalars.gradient)) return;
    Step<T> step(scalars);
    Place place(list);
    T *param = list.at[0][place.tensor], *grad = list.at[1][place.tensor];
    T *m = list.at[2][place.tensor], *v = list.at[3][place.tensor];
    auto vector = [&](u32 i) {
        Pack<T, LANES> own = load_pack<LANES>(param + i), g = load_pack<LANES>(grad + i);
        Pack<T, LANES> own_m = load_pack<LANES>(m + i), own_v = load_pack<LANES>(v + i);
#pragma unroll
        for (u32 lane = 0; lane < LANES; lane++) step.update(own[lane], g[lane], own_m[lane], own_v[lane]);
        store_pack(param + i, own);
        store_pack(m + i, own_m);
        store_pack(v + i, own_v);
    };
    auto element = [&](u32 i) { step.update(param[i], grad[i], m[i], v[i]); };
    place.each(are_aligned(param, grad, m, v), LANES, vector, element);
}

template <class T> __device__ void ema(const List<T, 2>& list, f64 given, const f64* table) {
    constexpr u32 LANES = 16 / sizeof(T);
    T share = T(table ? *table : given);
    Place place(list);
    T *average = list.at[0][place.tensor], *param = list.at[1][place.tensor];
    auto vector = [&](u32 i) {
        Pack<T, LANES> own = load_pack<LANES>(average + i), other = load_pack<LANES>(param + i);
#pragma unroll
        for (u32 lane = 0; lane < LANES; lane++) own[lane] += share * (other[lane] - own[lane]);
        store_pack(average + i, own);
    };
    auto element = [&](u32 i) { average[i] += share * (param[i] - average[i]); };
    place.each(are_aligned(average, param), LANES, vector, element);
}

// The sum of squares of each chunk.
template <class T> __device__ void squares(const List<T, 1>& list, f64* partial) {
    constexpr u32 LANES = 16 / sizeof(T);
    Place place(list);
    T* x = list.at[0][place.tensor];
    f64 sum = 0;
    auto element = [&](T x) { sum = mul_add(to<f64>(x), to<f64>(x), sum); };
    auto vector = [&](u32 i) {
        Pack<T, LANES> own = load_pack<LANES>(x + i);
#pragma unroll
        for (u32 lane = 0; lane < LANES; lane++) element(own[lane]);
    };
    place.each(are_aligned(x), LANES, vector, [&](u32 i) { element(x[i]); });
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The sum of each tensor's chunks, a block a tensor.
extern "C" __global__ void __launch_bounds__(256) sums(List<f32, 1> list, const f64* partial, f64* y) {
    u32 first = list.first[blockIdx.x], chunks = (list.count[blockIdx.x] + CHUNK - 1) / CHUNK;
    f64 sum = 0;
    for (u32 i = threadIdx.x; i < chunks; i += blockDim.x) sum += partial[first + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;
}
REGISTER_KERNEL(sums);

// Clipping: the norm of all gradients together, from the sums of squares of each, and the factor that brings it down to
// `most`; not a number where a sum is not finite. In the order of the host, by one thread.
extern "C" __global__ void __launch_bounds__(32) clip(const f64* squares, u32 count, f64 most, f64 eps, f64* factor,
                                                      f64* norm) {
    if (threadIdx.x != 0) return;
    f64 sum = 0;
    for (u32 i = 0; i < count; i++) sum += squares[i];
    f64 root = ::root(sum), scale = most / (root + eps);
    *norm = root;
    bool finite = sum - sum == 0;
    *factor = finite ? (scale < 1 ? scale : 1) : sum - sum;
}
REGISTER_KERNEL(clip);

// One sum a block in f64: a thread adds every so many-th vector, or element where x is not aligned, and what is left over;
// the number of blocks is a function of `count`.
template <class T> __device__ void sum_of_squares(const T* x, f64* partial, u64 count) {
    constexpr int LANES = 16 / sizeof(T);
    f64 sum = 0;
    auto add = [&](T element) { sum = mul_add(to<f64>(element), to<f64>(element), sum); };
    u64 vectors = are_aligned(x) ? count / LANES : 0;
#pragma unroll 4
    for (u64 i = thread_number(); i < vectors; i += thread_count()) {
        Pack<T, LANES> own = load_pack<LANES>(x + i * LANES);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) add(own[lane]);
    }
    for (u64 i = vectors * LANES + thread_number(); i < count; i += thread_count()) add(x[i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The sum of the blocks' sums, by one block.
template <class Out> __device__ void sum_of_partials(const f64* partial, Out* y, u32 count) {
    f64 sum = 0;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *y = Out(sum);
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) adam_##T(List<T, 4> list, Scalars s, const Scalars* table) {     \
        adam<T>(list, s, table);                                                                                       \
    }                                                                                                                  \
    REGISTER_KERNEL(adam_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) ema_##T(List<T, 2> list, f64 rate, const f64* table) {           \
        ema<T>(list, rate, table);                                                                                     \
    }                                                                                                                  \
    REGISTER_KERNEL(ema_##T);                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) squares_##T(List<T, 1> list, f64* partial) {                     \
        squares<T>(list, partial);                                                                                     \
    }                                                                                                                  \
    REGISTER_KERNEL(squares_##T);                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) sum_of_partials_##T(const f64* partial, T* y, u32 count) {       \
        sum_of_partials<T>(partial, y, count);                                                                         \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_of_partials_##T);

KERNELS(f32)
KERNELS(f64)

#define SQUARES(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) sum_of_squares_##T(const T* x, f64* partial, u64 count) {        \
        sum_of_squares<T>(x, partial, count);                                                                          \
    }                                                                                                                  \
    REGISTER_KERNEL(sum_of_squares_##T);

SQUARES(f32)
SQUARES(f64)
SQUARES(bf16)
SQUARES(f16)
