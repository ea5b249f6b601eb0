// softmax(scale q k^T) v with products of bf16 on tensor cores and all else in f32, without the matrix of all tokens by
// all tokens. For compute capability 8.0 and later.
//
// A block mixes 16 ROW_WARPS tokens of a head over tiles of KEYS keys, of which each of SPLIT warps for the same tokens
// takes its part, with a softmax of its own that is scaled down whenever a larger score comes; at the end the parts are
// joined. Queries stay in registers, as the products want them: lane 4 i + j holds, of the rows i and i + 8, the columns
// 2 j and 2 j + 1 of every eight. Scores come out in that order too, and become operands of the second product as they
// are.
//
// ROW_WARPS, SPLIT and KEYS are defined where this is compiled.

constexpr int THREADS = 32 * ROW_WARPS * SPLIT;
constexpr int QUERIES = 16 * ROW_WARPS;
constexpr int PART = KEYS / SPLIT;
// Channels as the products want them; those beyond the head are 0.
constexpr int CHANNELS = (HEAD + 15) / 16 * 16;
constexpr int STEPS = CHANNELS / 16;
// Rows an odd number of 16 bytes apart lie in different banks.
constexpr int PADDED = CHANNELS + 8;
constexpr int LOADS = (KEYS * QUADS + THREADS - 1) / THREADS;
// What a warp leaves for the one that joins its rows: mixed values, highest scores, sums.
constexpr int LEFT = 16 * CHANNELS + 32;
constexpr int TILE_BYTES = 2 * KEYS * PADDED * 2, LEFT_BYTES = 4 * LEFT * ROW_WARPS * (SPLIT - 1);

static_assert(HEAD % 4 == 0, "channels are read four at a time");
static_assert(PART % 16 == 0, "keys are taken sixteen at a time");
static_assert((TILE_BYTES > LEFT_BYTES ? TILE_BYTES : LEFT_BYTES) == SHARED_BYTES, "shared memory as the launch has it");

// Two floats as halves of a word, the first the lower.
__device__ __forceinline__ unsigned packed(float low, float high) {
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

// Four squares of 8 x 8; lane i names row i % 8 of square i / 8.
__device__ __forceinline__ void load_squares(unsigned (&squares)[4], const unsigned short *row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(squares[0]), "=r"(squares[1]), "=r"(squares[2]), "=r"(squares[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void load_squares_transposed(unsigned (&squares)[4], const unsigned short *row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(squares[0]), "=r"(squares[1]), "=r"(squares[2]), "=r"(squares[3])
                 : "r"(address)
                 : "memory");
}

// sums [16, 8] += rows [16, 16] columns [16, 8].
__device__ __forceinline__ void multiply(float (&sums)[4], const unsigned (&rows)[4], unsigned first, unsigned second) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(first), "r"(second));
}

// A tile of keys and values on its way from memory.
struct Loaded {
    float4 keys[LOADS], values[LOADS];
};

__device__ __forceinline__ void load(Loaded &loaded, const Tensor &key, const Tensor &value, int first, int length) {
    const float *keys = head_of(key), *values = head_of(value);
#pragma unroll
    for (int time = 0; time < LOADS; time++) {
        const int index = threadIdx.x + time * THREADS;
        const int token = first + index / QUADS, quad = index % QUADS;
        loaded.keys[time] = make_float4(0, 0, 0, 0);
        loaded.values[time] = make_float4(0, 0, 0, 0);
        if (index < KEYS * QUADS && token < length) {
            loaded.keys[time] = *(const float4 *)(keys + token * key.token + 4 * quad);
            loaded.values[time] = *(const float4 *)(values + token * value.token + 4 * quad);
        }
    }
}

__device__ __forceinline__ void store(const Loaded &loaded, unsigned short *keys, unsigned short *values, const Angles &angles,
                                      int first, int length) {
#pragma unroll
    for (int time = 0; time < LOADS; time++) {
        const int index = threadIdx.x + time * THREADS;
        const int token = index / QUADS, quad = index % QUADS;
        if (index >= KEYS * QUADS)
            break;
        float4 key = loaded.keys[time];
        if (first + token < length)
            key = turned(key, angles, length, first + token, 4 * quad);
        const float4 value = loaded.values[time];
        *(uint2 *)(keys + token * PADDED + 4 * quad) = make_uint2(packed(key.x, key.y), packed(key.z, key.w));
        *(uint2 *)(values + token * PADDED + 4 * quad) = make_uint2(packed(value.x, value.y), packed(value.z, value.w));
    }
}

// What is known of two rows so far: scores are in units of log2(e), sums of the lane's own columns alone.
struct Softmax {
    float highest[2], sum[2];
    float mixed[2 * STEPS][4];
};

// A warp's part of a tile, from token `first` on.
__device__ __forceinline__ void take_part(Softmax &soft, const unsigned (&queries)[STEPS][4], const unsigned short *keys,
                                          const unsigned short *values, int first, int length) {
    const int lane = threadIdx.x % 32;
    float scores[PART / 8][4];
#pragma unroll
    for (int pair = 0; pair < PART / 16; pair++) {
#pragma unroll
        for (int sum = 0; sum < 4; sum++)
            scores[2 * pair][sum] = scores[2 * pair + 1][sum] = 0;
        if (first + 16 * pair < length) {
            const unsigned short *row = keys + (16 * pair + lane % 8 + lane / 16 * 8) * PADDED + lane / 8 % 2 * 8;
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                unsigned squares[4];
                load_squares(squares, row + 16 * step);
                multiply(scores[2 * pair], queries[step], squares[0], squares[1]);
                multiply(scores[2 * pair + 1], queries[step], squares[2], squares[3]);
            }
        }
    }
    if (first + PART > length)
#pragma unroll
        for (int eight = 0; eight < PART / 8; eight++)
#pragma unroll
            for (int sum = 0; sum < 4; sum++)
                if (first + 8 * eight + 2 * (lane % 4) + sum % 2 >= length)
                    scores[eight][sum] = lowest();
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float highest = soft.highest[row];
#pragma unroll
        for (int eight = 0; eight < PART / 8; eight++)
            highest = fmaxf(highest, fmaxf(scores[eight][2 * row], scores[eight][2 * row + 1]));
        highest = fmaxf(highest, __shfl_xor_sync(WARP, highest, 1));
        highest = fmaxf(highest, __shfl_xor_sync(WARP, highest, 2));
        const float faded = exp2f(soft.highest[row] - highest);
        soft.highest[row] = highest;
        soft.sum[row] *= faded;
#pragma unroll
        for (int eight = 0; eight < PART / 8; eight++)
#pragma unroll
            for (int column = 0; column < 2; column++) {
                const float weight = exp2f(scores[eight][2 * row + column] - highest);
                soft.sum[row] += weight;
                scores[eight][2 * row + column] = weight;
            }
#pragma unroll
        for (int eight = 0; eight < 2 * STEPS; eight++) {
            soft.mixed[eight][2 * row] *= faded;
            soft.mixed[eight][2 * row + 1] *= faded;
        }
    }
#pragma unroll
    for (int pair = 0; pair < PART / 16; pair++) {
        if (first + 16 * pair >= length)
            break;
        const float(&low)[4] = scores[2 * pair], (&high)[4] = scores[2 * pair + 1];
        const unsigned weights[4] = {packed(low[0], low[1]), packed(low[2], low[3]), packed(high[0], high[1]), packed(high[2], high[3])};
        const unsigned short *row = values + (16 * pair + lane % 16) * PADDED + lane / 16 * 8;
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            unsigned squares[4];
            load_squares_transposed(squares, row + 16 * step);
            multiply(soft.mixed[2 * step], weights, squares[0], squares[1]);
            multiply(soft.mixed[2 * step + 1], weights, squares[2], squares[3]);
        }
    }
}

// The sums of all warps for the same rows to the first one's.
__device__ __forceinline__ void join(Softmax &soft, int part, int row_warp) {
    const int lane = threadIdx.x % 32;
    float *left = (float *)shared;
    __syncthreads(); // nobody reads tiles any more
    if (part != 0) {
        float *mine = left + ((part - 1) * ROW_WARPS + row_warp) * LEFT;
#pragma unroll
        for (int row = 0; row < 2; row++) {
            const int at = lane / 4 + 8 * row;
            if (lane % 4 == 0) {
                mine[16 * CHANNELS + at] = soft.highest[row];
                mine[16 * CHANNELS + 16 + at] = soft.sum[row];
            }
#pragma unroll
            for (int eight = 0; eight < 2 * STEPS; eight++)
                *(float2 *)(mine + at * CHANNELS + 8 * eight + 2 * (lane % 4)) =
                    make_float2(soft.mixed[eight][2 * row], soft.mixed[eight][2 * row + 1]);
        }
    }
    __syncthreads();
    if (part != 0)
        return;
#pragma unroll
    for (int other = 1; other < SPLIT; other++) {
        const float *theirs = left + ((other - 1) * ROW_WARPS + row_warp) * LEFT;
#pragma unroll
        for (int row = 0; row < 2; row++) {
            const int at = lane / 4 + 8 * row;
            const float their_highest = theirs[16 * CHANNELS + at];
            const float highest = fmaxf(soft.highest[row], their_highest);
            const float faded = exp2f(soft.highest[row] - highest), factor = exp2f(their_highest - highest);
            soft.highest[row] = highest;
            soft.sum[row] = soft.sum[row] * faded + theirs[16 * CHANNELS + 16 + at] * factor;
#pragma unroll
            for (int eight = 0; eight < 2 * STEPS; eight++) {
                const float2 mixed = *(const float2 *)(theirs + at * CHANNELS + 8 * eight + 2 * (lane % 4));
                soft.mixed[eight][2 * row] = soft.mixed[eight][2 * row] * faded + mixed.x * factor;
                soft.mixed[eight][2 * row + 1] = soft.mixed[eight][2 * row + 1] * faded + mixed.y * factor;
            }
        }
    }
}

// Two scaled channels of a query as a word; 0 beyond the tokens and beyond the head.
__device__ __forceinline__ unsigned query_pair(const Tensor &query, const Angles &angles, int length, int token, int channel, float scale) {
    if (token >= length || channel >= HEAD)
        return 0;
    const float2 pair = turned(*(const float2 *)(head_of(query) + token * query.token + channel), angles, length, token, channel);
    return packed(pair.x * scale, pair.y * scale);
}

// Blocks (tiles of queries, heads, batch). `scale` holds log2(e); `out` [batch, tokens, heads, HEAD] is dense.
extern "C" __global__ void __launch_bounds__(THREADS)
    attention(const float *query, const float *key, const float *value, long long query_batch, long long query_head,
              long long query_token, long long key_batch, long long key_head, long long key_token, long long value_batch,
              long long value_head, long long value_token, const float *cosines, const float *sines, int length, float scale,
              float *out) {
    const int lane = threadIdx.x % 32, row_warp = threadIdx.x / 32 % ROW_WARPS, part = threadIdx.x / 32 / ROW_WARPS;
    const Tensor query_of = {query, query_batch, query_head, query_token};
    const Tensor key_of = {key, key_batch, key_head, key_token}, value_of = {value, value_batch, value_head, value_token};
    const Angles angles = {cosines, sines};
    unsigned short *keys = (unsigned short *)shared, *values = keys + KEYS * PADDED;

    Loaded loaded;
    load(loaded, key_of, value_of, 0, length);
    // Channels beyond the head; no tile is written there.
    if (CHANNELS > HEAD)
        for (int row = threadIdx.x; row < 2 * KEYS; row += THREADS)
            for (int channel = HEAD; channel < CHANNELS; channel++)
                keys[row * PADDED + channel] = 0;

    const int first_row = blockIdx.x * QUERIES + 16 * row_warp;
    unsigned queries[STEPS][4];
#pragma unroll
    for (int step = 0; step < STEPS; step++)
#pragma unroll
        for (int word = 0; word < 4; word++)
            queries[step][word] = query_pair(query_of, angles, length, first_row + lane / 4 + word % 2 * 8,
                                             16 * step + 2 * (lane % 4) + word / 2 * 8, scale);
    Softmax soft;
#pragma unroll
    for (int row = 0; row < 2; row++) {
        soft.highest[row] = lowest();
        soft.sum[row] = 0;
    }
#pragma unroll
    for (int eight = 0; eight < 2 * STEPS; eight++)
#pragma unroll
        for (int sum = 0; sum < 4; sum++)
            soft.mixed[eight][sum] = 0;

    for (int first = 0; first < length; first += KEYS) {
        __syncthreads(); // nobody reads the tile before
        store(loaded, keys, values, angles, first, length);
        __syncthreads();
        if (first + KEYS < length)
            load(loaded, key_of, value_of, first + KEYS, length);
        const int skipped = part * PART;
        if (first_row < length && first + skipped < length)
            take_part(soft, queries, keys + skipped * PADDED, values + skipped * PADDED, first + skipped, length);
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
        soft.sum[row] += __shfl_xor_sync(WARP, soft.sum[row], 1);
        soft.sum[row] += __shfl_xor_sync(WARP, soft.sum[row], 2);
    }
    if (SPLIT > 1)
        join(soft, part, row_warp);
    if (part != 0)
        return;
#pragma unroll
    for (int row = 0; row < 2; row++) {
        const int token = first_row + lane / 4 + 8 * row;
        if (token >= length)
            continue;
        const float whole = 1 / soft.sum[row];
        float *to = out + (((long long)blockIdx.z * length + token) * gridDim.y + blockIdx.y) * HEAD;
#pragma unroll
        for (int eight = 0; eight < 2 * STEPS; eight++) {
            const int channel = 8 * eight + 2 * (lane % 4);
            if (channel < HEAD)
                *(float2 *)(to + channel) = make_float2(soft.mixed[eight][2 * row] * whole, soft.mixed[eight][2 * row + 1] * whole);
        }
    }
}
