// Conversions between the types of numbers.
#include "numbers.cuh"
#include "tensor_core.cuh"

// All 65536 patterns of bf16 and f16, widened.
extern "C" __global__ void widened(f32* from_bf16, f32* from_f16) {
    u32 bits = blockIdx.x * blockDim.x + threadIdx.x;
    from_bf16[bits] = to_f32(bf16{u16(bits)});
    from_f16[bits] = to_f32(f16{u16(bits)});
}
REGISTER_KERNEL(widened);

extern "C" __global__ void narrow(const f32* x, bf16* to_bf16s, f16* to_f16s, u32* pairs, u32* tf32s, u32 count) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        to_bf16s[i] = from_f32<bf16>(x[i]);
        to_f16s[i] = from_f32<f16>(x[i]);
        pairs[2 * i] = pair<bf16>(x[i], -x[i]);
        pairs[2 * i + 1] = pair<f16>(x[i], -x[i]);
        tf32s[i] = to_tf32(x[i]);
    }
}
REGISTER_KERNEL(narrow);

extern "C" __global__ void narrow_f64(const f64* x, bf16* to_bf16s, f16* to_f16s, f32* to_f32s, u32 count) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        to_bf16s[i] = to<bf16>(x[i]);
        to_f16s[i] = to<f16>(x[i]);
        to_f32s[i] = to<f32>(x[i]);
    }
}
REGISTER_KERNEL(narrow_f64);

// Eight bf16 at a time: one load and one store of 16 bytes.
extern "C" __global__ void double_packs(const bf16* x, bf16* y, u32 packs) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < packs) {
        Pack<bf16, 8> pack = load_pack<8>(x + 8 * i);
        for (u32 j = 0; j < 8; j++) {
            pack[j] = from_f32<bf16>(2 * to_f32(pack[j]));
        }
        store_pack(y + 8 * i, pack);
    }
}
REGISTER_KERNEL(double_packs);

// a b + c rounded once and twice.
extern "C" __global__ void fused(const f32* a, const f32* b, const f32* c, f32* once, f32* twice, f64* once64) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    once[i] = mul_add(a[i], b[i], c[i]);
    twice[i] = __fadd_rn(__fmul_rn(a[i], b[i]), c[i]);
    once64[i] = mul_add(f64(a[i]) / 3, f64(b[i]) / 3, f64(c[i]));
}
REGISTER_KERNEL(fused);
