// What both kernels of attention share. HEAD (channels of a head, a multiple of 4), ROTARY (0 or 1) and SHARED_BYTES are
// defined where they are compiled.

// How a tensor [batch, heads, tokens, HEAD] lies; channels are next to each other.
struct Tensor {
    const float *at;
    long long batch, head, token;
};

// Angles [heads, tokens, HEAD / 2] that turn pairs of channels; read only where ROTARY is 1.
struct Angles {
    const float *cosines, *sines;
};

constexpr int QUADS = HEAD / 4;
constexpr unsigned WARP = 0xffffffffu;

extern __shared__ float4 shared[];

// Negative infinity.
__device__ __forceinline__ float lowest() { return __int_as_float(0xff800000); }

__device__ __forceinline__ const float *head_of(const Tensor &tensor) {
    return tensor.at + blockIdx.z * tensor.batch + blockIdx.y * tensor.head;
}

// The pair of channels from `channel` on, turned by its token's angle.
__device__ __forceinline__ float2 turned(float2 pair, const Angles &angles, int length, int token, int channel) {
#if ROTARY
    const long long at = ((long long)blockIdx.y * length + token) * (HEAD / 2) + channel / 2;
    const float cosine = angles.cosines[at], sine = angles.sines[at];
    return make_float2(pair.x * cosine - pair.y * sine, pair.x * sine + pair.y * cosine);
#else
    return pair;
#endif
}

__device__ __forceinline__ float4 turned(float4 quad, const Angles &angles, int length, int token, int channel) {
    const float2 low = turned(make_float2(quad.x, quad.y), angles, length, token, channel);
    const float2 high = turned(make_float2(quad.z, quad.w), angles, length, token, channel + 2);
    return make_float4(low.x, low.y, high.x, high.y);
}
