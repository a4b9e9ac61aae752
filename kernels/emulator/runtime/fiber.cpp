// Fibers by a hand-written switch for x86-64; by ucontext elsewhere or with -DEMULATOR_UCONTEXT, ten times slower.
//
// A stack is 64 KiB above a page that faults, so a kernel that overflows its stack dies at once.
#include "fiber.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>

#include "fail.h"
#include "sanitizer.h"

#if !defined(__x86_64__) && !defined(EMULATOR_UCONTEXT)
#define EMULATOR_UCONTEXT
#endif
#ifdef EMULATOR_UCONTEXT
#include <ucontext.h>
#endif

namespace emulator {

namespace {

constexpr std::size_t STACK_BYTES = 64 << 10;
constexpr std::size_t PAGE_BYTES = 4096;

// Stacks begin at different offsets in their pages: otherwise their busy ends would fall on the same few cache lines.
constexpr std::size_t OFFSETS = 16;
constexpr std::size_t OFFSET_BYTES = PAGE_BYTES / OFFSETS;

// The two ends of the switch that this OS thread made last.
thread_local Fiber* left __attribute__((tls_model("initial-exec"))) = nullptr;
thread_local Fiber* entered __attribute__((tls_model("initial-exec"))) = nullptr;

void announce_departure(Fiber& from, Fiber& to) {
    left = &from;
    entered = &to;
    if (__sanitizer_start_switch_fiber) {
        __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
    }
}

// Also learns where the stack lies that was left: that of an OS thread is known in no other way.
void announce_arrival(void* fake_stack) {
    if (__sanitizer_finish_switch_fiber) {
        __sanitizer_finish_switch_fiber(fake_stack, &left->stack_bottom, &left->stack_bytes);
    }
}

void start() {
    announce_arrival(nullptr);
    entered->body();
}

}  // namespace

#ifndef EMULATOR_UCONTEXT

// Saves the registers that a function must keep, swaps stacks, restores, returns on the other stack.
extern "C" void emulator_swap_stacks(void** save, void* to);
asm(R"(
.text
.globl emulator_swap_stacks
.hidden emulator_swap_stacks
.type emulator_swap_stacks, @function
emulator_swap_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_swap_stacks, . - emulator_swap_stacks
)");

// Makes the stack look as if `start` had been about to be entered when the fiber was left.
static void* prepare_stack(const Fiber& fiber) {
    constexpr int SAVED_REGISTERS = 6;
    auto** top = reinterpret_cast<void**>(std::uintptr_t(fiber.stack_bottom) + fiber.stack_bytes);
    *--top = nullptr;   // where `start` would return to
    *--top = reinterpret_cast<void*>(&start);
    for (int i = 0; i < SAVED_REGISTERS; i++) {
        *--top = nullptr;
    }
    return top;
}

static void swap_stacks(Fiber& from, Fiber& to) {
    emulator_swap_stacks(&from.stack_pointer, to.stack_pointer);
}

#else

static void* prepare_stack(const Fiber& fiber) {
    auto* context = new ucontext_t;
    getcontext(context);
    context->uc_stack.ss_sp = const_cast<void*>(fiber.stack_bottom);
    context->uc_stack.ss_size = fiber.stack_bytes;
    context->uc_link = nullptr;
    makecontext(context, start, 0);
    return context;
}

static void swap_stacks(Fiber& from, Fiber& to) {
    if (!from.stack_pointer) {
        from.stack_pointer = new ucontext_t;
    }
    swapcontext(static_cast<ucontext_t*>(from.stack_pointer), static_cast<ucontext_t*>(to.stack_pointer));
}

#endif

Fiber* new_fiber(void (*body)()) {
    void* memory = mmap(nullptr, PAGE_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, PAGE_BYTES, PROT_NONE) != 0) {
        fail_outside("no memory for one more stack of %zu bytes", STACK_BYTES);
    }
    static std::atomic<std::size_t> made{0};
    auto* fiber = new Fiber;
    fiber->body = body;
    fiber->stack_bottom = static_cast<char*>(memory) + PAGE_BYTES;
    fiber->stack_bytes = STACK_BYTES - made++ % OFFSETS * OFFSET_BYTES;
    fiber->stack_pointer = prepare_stack(*fiber);
    return fiber;
}

void switch_fiber(Fiber& from, Fiber& to) {
    announce_departure(from, to);
    swap_stacks(from, to);
    announce_arrival(from.fake_stack);
}

}  // namespace emulator
