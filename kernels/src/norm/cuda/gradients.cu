// Norms: the affine gradients, from sums of each sample, part of its positions, and channel: a = sum dz xhat, b = sum dz,
// both [samples, parts, channels].
//
// A block computes 32 channels. Of its 32 warps up to SHARE share the parts of a sample, as many as there are parts, so
// that a sample's sums depend on no other; the first of them adds what they found, in their order. The others have other
// samples, and are joined pairwise at the end.
//
// Figure: not yet measured.
#include "norm.cuh"

constexpr u32 SHARE = 16;

// Null where not wanted.
template <class T>
__device__ void gradients(const typename Computes<T>::In* a, const typename Computes<T>::In* b,
                          const Affine<T>& affine, T* dweight, T* dbias, T* dscale, T* dshift, const Shape& s,
                          u32 parts) {
    using Wide = typename Computes<T>::In;
    SHARED(Wide, shared_a, [WARP][WARP + 1]);
    SHARED(Wide, shared_b, [WARP][WARP + 1]);
    u32 lane = lane_index(), line = warp_index(), channel = blockIdx.x * WARP + lane;
    u32 share = 1;
    while (share < SHARE && share < parts) share *= 2;
    bool is_channel = channel < s.channels;
    Wide weight = is_channel && affine.weight ? to<Wide>(affine.weight[channel]) : Wide(1);
    Wide bias = is_channel && affine.bias ? to<Wide>(affine.bias[channel]) : Wide(0);
    Wide sum_a = 0, sum_b = 0;
    for (u32 first = 0; first < s.samples; first += WARP / share) {
        u32 sample = first + line / share;
        bool has_sample = is_channel && sample < s.samples;
        Wide own_a = 0, own_b = 0;
        if (has_sample) {
#pragma unroll 4
            for (u32 part = line % share; part < parts; part += share) {
                size_t at = (size_t(sample) * parts + part) * s.channels + channel;
                own_a += a[at];
                own_b += b[at];
            }
        }
        if (share > 1) {
            block_sync(); // the last samples' numbers may still be read
            shared_a[line][lane] = own_a;
            shared_b[line][lane] = own_b;
            block_sync();
        }
        if (!has_sample || line % share != 0) continue;
        for (u32 other = 1; other < share; other++) {
            own_a += shared_a[line + other][lane];
            own_b += shared_b[line + other][lane];
        }
        Wide widening = affine.widening(sample, channel);
        sum_a = mul_add(own_a, widening, sum_a);
        sum_b = mul_add(own_b, widening, sum_b);
        size_t row = size_t(sample) * s.channels + channel;
        if (dscale) dscale[row] = to<T>(mul_add(own_a, weight, own_b * bias));
        if (dshift) dshift[row] = to<T>(own_b);
    }
    block_sync();
    shared_a[line][lane] = sum_a;
    shared_b[line][lane] = sum_b;
    block_sync();
    for (u32 half = WARP / 2; half > 0; half /= 2) {
        if (line < half) {
            shared_a[line][lane] += shared_a[line + half][lane];
            shared_b[line][lane] += shared_b[line + half][lane];
        }
        block_sync();
    }
    if (line == 0 && channel < s.channels) {
        if (dweight) dweight[channel] = to<T>(shared_a[0][lane]);
        if (dbias) dbias[channel] = to<T>(shared_b[0][lane]);
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(1024) norm_gradients_##T(const Computes<T>::In* a,                    \
        const Computes<T>::In* b, Affine<T> affine, T* dweight, T* dbias, T* dscale, T* dshift, Shape s, u32 parts) {  \
        gradients<T>(a, b, affine, dweight, dbias, dscale, dshift, s, parts);                                          \
    }                                                                                                                  \
    REGISTER_KERNEL(norm_gradients_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
