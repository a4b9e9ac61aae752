// Norms v1: group and layer normalisation with an affine map, a scale and shift per sample, and SiLU, forward and
// backward, of any shape.
//
// Storage is [samples, positions, channels]. A *set* is what shares a mean: group norm a group of channels over all
// positions of a sample, layer norm the channels of one position. A block computes one set: statistics by a mean and then
// squares of deviations (two reads, the second from cache), then the map.
//
// Figure: not yet measured.
#include "norm.cuh"

// The elements of a set: `width` channels from `first`, at `lines` positions, `channels` apart.
struct Set {
    u32 sample, first, width, lines;
    size_t start;

    __device__ __forceinline__ Set(const Shape& s, u32 set) {
        if (s.groups) {
            sample = set / s.groups;
            width = s.channels / s.groups;
            first = set % s.groups * width;
            lines = s.positions;
            start = size_t(sample) * s.positions * s.channels + first;
        } else {
            sample = set / s.positions;
            width = s.channels;
            first = 0;
            lines = 1;
            start = size_t(set) * s.channels;
        }
    }
    __device__ __forceinline__ u32 count() const { return width * lines; }
    __device__ __forceinline__ u32 channel(u32 i) const { return first + i % width; }
    __device__ __forceinline__ size_t at(u32 i, const Shape& s) const {
        return start + size_t(i / width) * s.channels + i % width;
    }
};

template <class T>
__device__ void forward(const T* x, const Affine<T>& affine, T* y, typename Computes<T>::In* mean,
                        typename Computes<T>::In* rstd, const Shape& s) {
    using Wide = typename Computes<T>::In;
    Set set(s, blockIdx.x);
    u32 count = set.count();
    Wide sum = 0, squares = 0, divisor = Wide(count ? count : 1); // nothing has mean 0 and variance 0
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) sum += to<Wide>(x[set.at(i, s)]);
    Wide m = block_sum(sum) / divisor;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        Wide deviation = to<Wide>(x[set.at(i, s)]) - m;
        squares = mul_add(deviation, deviation, squares);
    }
    Wide r = Wide(1) / root(block_sum(squares) / divisor + Wide(s.eps));
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        u32 channel = set.channel(i);
        size_t at = set.at(i, s);
        Wide z = mul_add((to<Wide>(x[at]) - m) * r, affine.gain(set.sample, channel), affine.offset(set.sample, channel));
        y[at] = to<T>(s.silu ? z * logistic(z) : z);
    }
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = m;
        rstd[blockIdx.x] = r;
    }
}

// dx. dz is the cotangent of z: g, or g silu'(z).
template <class T>
__device__ void backward(const T* x, const Affine<T>& affine, const typename Computes<T>::In* mean,
                         const typename Computes<T>::In* rstd, const T* g, T* dx, const Shape& s) {
    using Wide = typename Computes<T>::In;
    Set set(s, blockIdx.x);
    u32 count = set.count();
    Wide m = mean[blockIdx.x], r = rstd[blockIdx.x], sum = 0, inner = 0;
    auto scaled = [&](u32 i, Wide& xhat) {
        u32 channel = set.channel(i);
        size_t at = set.at(i, s);
        Wide gain = affine.gain(set.sample, channel), dz = to<Wide>(g[at]);
        xhat = (to<Wide>(x[at]) - m) * r;
        if (s.silu) dz *= silu_slope(mul_add(xhat, gain, affine.offset(set.sample, channel)));
        return dz * gain;
    };
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        Wide xhat, d = scaled(i, xhat);
        sum += d;
        inner = mul_add(d, xhat, inner);
    }
    sum = block_sum(sum) / Wide(count);
    inner = block_sum(inner) / Wide(count);
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        Wide xhat, d = scaled(i, xhat);
        dx[set.at(i, s)] = to<T>(r * (d - sum - xhat * inner));
    }
}

// Sums for the affine gradients, of each sample and channel: a = sum dz xhat, b = sum dz. A block sums 32 channels of one
// part of a sample's positions, 8 positions at a time; `part` positions long, into a, b [samples, parts, channels].
template <class T>
__device__ void sums(const T* x, const Affine<T>& affine, const typename Computes<T>::In* mean,
                     const typename Computes<T>::In* rstd, const T* g, typename Computes<T>::In* a,
                     typename Computes<T>::In* b, const Shape& s, u32 part) {
    using Wide = typename Computes<T>::In;
    SHARED(Wide, shared_a, [8][33]);
    SHARED(Wide, shared_b, [8][33]);
    u32 lane = threadIdx.x % 32, line = threadIdx.x / 32, channel = blockIdx.x * 32 + lane, sample = blockIdx.z;
    u32 from = blockIdx.y * part, end = from + part < s.positions ? from + part : s.positions;
    Wide sum_a = 0, sum_b = 0;
    if (channel < s.channels) {
        Wide gain = affine.gain(sample, channel), offset = affine.offset(sample, channel);
        for (u32 position = from + line; position < end; position += 8) {
            size_t row = size_t(sample) * s.positions + position, at = row * s.channels + channel;
            size_t set = s.groups ? size_t(sample) * s.groups + channel / (s.channels / s.groups) : row;
            Wide xhat = (to<Wide>(x[at]) - mean[set]) * rstd[set], dz = to<Wide>(g[at]);
            if (s.silu) dz *= silu_slope(mul_add(xhat, gain, offset));
            sum_a = mul_add(dz, xhat, sum_a);
            sum_b += dz;
        }
    }
    shared_a[line][lane] = sum_a;
    shared_b[line][lane] = sum_b;
    __syncthreads();
    for (u32 half = 4; half > 0; half /= 2) {
        if (line < half) {
            shared_a[line][lane] += shared_a[line + half][lane];
            shared_b[line][lane] += shared_b[line + half][lane];
        }
        __syncthreads();
    }
    if (line == 0 && channel < s.channels) {
        size_t at = (size_t(sample) * gridDim.y + blockIdx.y) * s.channels + channel;
        a[at] = shared_a[0][lane];
        b[at] = shared_b[0][lane];
    }
}

#define KERNELS(T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256) norm_v1_##T(const T* x, Affine<T> affine, T* y,                     \
        Computes<T>::In* mean, Computes<T>::In* rstd, Shape s) { forward<T>(x, affine, y, mean, rstd, s); }            \
    REGISTER_KERNEL(norm_v1_##T);                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) norm_backward_v1_##T(const T* x, Affine<T> affine,                  \
        const Computes<T>::In* mean, const Computes<T>::In* rstd, const T* g, T* dx, Shape s) {                        \
        backward<T>(x, affine, mean, rstd, g, dx, s);                                                                  \
    }                                                                                                                  \
    REGISTER_KERNEL(norm_backward_v1_##T);                                                                                \
    extern "C" __global__ void __launch_bounds__(256) norm_sums_v1_##T(const T* x, Affine<T> affine,                      \
        const Computes<T>::In* mean, const Computes<T>::In* rstd, const T* g, Computes<T>::In* a, Computes<T>::In* b,  \
        Shape s, u32 part) { sums<T>(x, affine, mean, rstd, g, a, b, s, part); }                                       \
    REGISTER_KERNEL(norm_sums_v1_##T);

KERNELS(f32)
KERNELS(f64)
KERNELS(bf16)
KERNELS(f16)
