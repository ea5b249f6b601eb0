// softmax(scale q k^T) v in f32 by fused multiply-adds, without the matrix of all tokens by all tokens.
//
// A block mixes QUERIES tokens of a head. Its threads stand in GROUPS groups that take tiles of KEYS keys by turns, each
// with a softmax of its own that is scaled down whenever a larger score comes; at the end the groups are joined. In a
// group, thread (row, column) computes ROWS x COLUMNS scores of a tile, then ROWS x 4 OWN channels of the mixed values;
// the rows of a warp are its own, and so are their weights between the two products. Tokens are mostly one more than a
// multiple of 32 (the class token), so a tile of few keys and a block of few queries are compiled too.
//
// ROWS, ROW_THREADS, COLUMNS and GROUPS are defined where this is compiled.

constexpr int COLUMN_THREADS = 8;
constexpr int THREADS = COLUMN_THREADS * ROW_THREADS; // of a group
constexpr int QUERIES = ROWS * ROW_THREADS;
constexpr int KEYS = COLUMNS * COLUMN_THREADS;
// Rows an odd number of quads apart lie in different banks.
constexpr int PADDED = QUADS | 1;
// Quads of channels that a thread mixes; the last may be beyond the head.
constexpr int OWN = (QUADS + COLUMN_THREADS - 1) / COLUMN_THREADS;
constexpr int WEIGHTS_PADDED = KEYS + 8;
constexpr int GROUP_QUADS = KEYS * (PADDED + QUADS) + QUERIES * WEIGHTS_PADDED / 4;

static_assert(HEAD % 4 == 0, "channels are read four at a time");
static_assert(THREADS % 32 == 0, "a group is whole warps");
static_assert(GROUPS == 1 || GROUPS == 2, "each group has a barrier of its own");
static_assert(GROUPS == 1 || QUERIES * QUADS <= KEYS * (PADDED + QUADS), "a group leaves its result where its tiles were");
static_assert(16 * (QUERIES * PADDED + GROUPS * GROUP_QUADS) == SHARED_BYTES, "shared memory as the launch has it");

// 16 bytes to shared memory, 0 where `is_there` is not; done after `arrive`, where the device copies by itself.
__device__ __forceinline__ void copy(float4 *to, const float *from, bool is_there) {
#if __CUDA_ARCH__ >= 800
    const unsigned address = (unsigned)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(is_there ? 16 : 0) : "memory");
#else
    *to = is_there ? *(const float4 *)from : make_float4(0, 0, 0, 0);
#endif
}

// Waits for the copies of all threads of a group, and until all have come this far.
__device__ __forceinline__ void arrive(int group) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
    if (GROUPS == 1)
        __syncthreads();
    else if (group == 0)
        asm volatile("bar.sync 1, %0;" ::"n"(THREADS) : "memory");
    else
        asm volatile("bar.sync 2, %0;" ::"n"(THREADS) : "memory");
}

__device__ __forceinline__ void add(float4 &sum, float factor, const float4 &x) {
    sum.x = fmaf(factor, x.x, sum.x);
    sum.y = fmaf(factor, x.y, sum.y);
    sum.z = fmaf(factor, x.z, sum.z);
    sum.w = fmaf(factor, x.w, sum.w);
}

__device__ __forceinline__ void scale_by(float4 &x, float factor) {
    x.x *= factor;
    x.y *= factor;
    x.z *= factor;
    x.w *= factor;
}

// A thread's place, and the head it works on.
struct Place {
    int group, thread, row, column;
    float4 *queries, *keys, *values;
    float *weights;
    const float *from_keys, *from_values;
    long long key_token, value_token;
    Angles angles;
    int length;
};

// What is known of a thread's rows so far: scores are in units of log2(e).
template <int R> struct Softmax {
    float highest[R];
    // Of the thread's own columns alone.
    float sum[R];
    float4 mixed[R][OWN];
};

// Keys or values from `first` on, `rows` of `stride` quads each; 0 where there are no more.
template <bool IS_TURNED>
__device__ __forceinline__ void load(const Place &at, float4 *to, int stride, const float *from, long long token_stride, int first, int rows) {
    const int left = at.length - first;
    const int most = rows * QUADS;
    constexpr int TIMES = (KEYS * QUADS + THREADS - 1) / THREADS;
#pragma unroll(IS_TURNED ? 4 : 2)
    for (int time = 0; time < TIMES; time++) {
        const int index = at.thread + time * THREADS;
        if (index >= most)
            break;
        const int token = index / QUADS, quad = index % QUADS;
        const bool is_there = token < left;
        const float *source = from + (first + (is_there ? token : 0)) * token_stride + 4 * quad;
        if (IS_TURNED) {
            float4 loaded = make_float4(0, 0, 0, 0);
            if (is_there)
                loaded = turned(*(const float4 *)source, at.angles, at.length, first + token, 4 * quad);
            to[token * stride + quad] = loaded;
        } else {
            copy(to + token * stride + quad, source, is_there);
        }
    }
}

__device__ __forceinline__ void load_keys(const Place &at, int first) {
    // A score of what is not there is replaced, so a tile of few keys costs as few loads.
    const int left = at.length - first;
    load<ROTARY != 0>(at, at.keys, PADDED, at.from_keys, at.key_token, first, left < KEYS ? left : KEYS);
}

// R x C scores of a thread for the tile that begins at `first`.
template <int R, int C> __device__ __forceinline__ void score(const Place &at, int first, float (&scores)[R][C]) {
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
        for (int c = 0; c < C; c++)
            scores[r][c] = 0;
#pragma unroll(R == 1 || C == 1 ? 1 : 4)
    for (int quad = 0; quad < QUADS; quad++) {
        float4 queries[R], keys[C];
#pragma unroll
        for (int r = 0; r < R; r++)
            queries[r] = at.queries[(at.row + ROW_THREADS * r) * PADDED + quad];
#pragma unroll
        for (int c = 0; c < C; c++)
            keys[c] = at.keys[(at.column + COLUMN_THREADS * c) * PADDED + quad];
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int c = 0; c < C; c++) {
                scores[r][c] = fmaf(queries[r].x, keys[c].x, scores[r][c]);
                scores[r][c] = fmaf(queries[r].y, keys[c].y, scores[r][c]);
                scores[r][c] = fmaf(queries[r].z, keys[c].z, scores[r][c]);
                scores[r][c] = fmaf(queries[r].w, keys[c].w, scores[r][c]);
            }
    }
#pragma unroll
    for (int c = 0; c < C; c++)
        if (first + at.column + COLUMN_THREADS * c >= at.length)
#pragma unroll
            for (int r = 0; r < R; r++)
                scores[r][c] = lowest();
}

// Scores to weights against the highest score so far, and what was summed before to the same measure.
template <int R, int C> __device__ __forceinline__ void weigh(const Place &at, Softmax<R> &soft, float (&scores)[R][C]) {
#pragma unroll
    for (int r = 0; r < R; r++) {
        float highest = scores[r][0];
#pragma unroll
        for (int c = 1; c < C; c++)
            highest = fmaxf(highest, scores[r][c]);
#pragma unroll
        for (int lane = 1; lane < COLUMN_THREADS; lane *= 2)
            highest = fmaxf(highest, __shfl_xor_sync(WARP, highest, lane));
        highest = fmaxf(highest, soft.highest[r]);
        const float faded = exp2f(soft.highest[r] - highest);
        soft.highest[r] = highest;
        soft.sum[r] *= faded;
#pragma unroll
        for (int own = 0; own < OWN; own++)
            scale_by(soft.mixed[r][own], faded);
        float *weights = at.weights + (at.row + ROW_THREADS * r) * WEIGHTS_PADDED + at.column;
#pragma unroll
        for (int c = 0; c < C; c++) {
            const float weight = exp2f(scores[r][c] - highest);
            soft.sum[r] += weight;
            weights[COLUMN_THREADS * c] = weight;
        }
    }
}

// Adds the values of C * COLUMN_THREADS keys by their weights.
template <int R, int C> __device__ __forceinline__ void mix(const Place &at, Softmax<R> &soft) {
#pragma unroll(R == 1 || C == 1 ? 1 : 2)
    for (int key = 0; key < C * COLUMN_THREADS; key += 4) {
        float4 weights[R];
#pragma unroll
        for (int r = 0; r < R; r++)
            weights[r] = *(const float4 *)(at.weights + (at.row + ROW_THREADS * r) * WEIGHTS_PADDED + key);
#pragma unroll
        for (int of_four = 0; of_four < 4; of_four++)
#pragma unroll
            for (int own = 0; own < OWN; own++) {
                int quad = at.column + COLUMN_THREADS * own;
                if (QUADS % COLUMN_THREADS != 0)
                    quad = quad < QUADS ? quad : QUADS - 1;
                const float4 value = at.values[(key + of_four) * QUADS + quad];
#pragma unroll
                for (int r = 0; r < R; r++) {
                    const float4 w = weights[r];
                    add(soft.mixed[r][own], of_four == 0 ? w.x : of_four == 1 ? w.y : of_four == 2 ? w.z : w.w, value);
                }
            }
    }
}

// Values arrive while keys are scored, the next keys while values are mixed.
template <int R, int C> __device__ __forceinline__ void take_tile(const Place &at, Softmax<R> &soft, int first) {
    arrive(at.group);
    // All that are mixed: a weight of 0 does not undo a value that is no number.
    load<false>(at, at.values, QUADS, at.from_values, at.value_token, first, C * COLUMN_THREADS);
    float scores[R][C];
    score(at, first, scores);
    weigh(at, soft, scores);
    arrive(at.group);
    const int next = first + GROUPS * KEYS;
    if (next < at.length)
        load_keys(at, next);
    mix<R, C>(at, soft);
}

// All groups' sums to the first one's.
template <int R> __device__ __forceinline__ void join(const Place &at, Softmax<R> &soft) {
    float4 *mixed = at.keys;
    float *sums = at.weights;
    arrive(at.group); // nobody reads tiles any more
    if (at.group != 0) {
#pragma unroll
        for (int r = 0; r < R; r++) {
            const int row = at.row + ROW_THREADS * r;
            if (at.column == 0) {
                sums[2 * row] = soft.highest[r];
                sums[2 * row + 1] = soft.sum[r];
            }
#pragma unroll
            for (int own = 0; own < OWN; own++) {
                const int quad = at.column + COLUMN_THREADS * own;
                if (quad < QUADS)
                    mixed[row * QUADS + quad] = soft.mixed[r][own];
            }
        }
    }
    __syncthreads();
    if (at.group != 0)
        return;
#pragma unroll
    for (int other = 1; other < GROUPS; other++)
#pragma unroll
        for (int r = 0; r < R; r++) {
            const int row = at.row + ROW_THREADS * r;
            const float *theirs = sums + other * GROUP_QUADS * 4 + 2 * row;
            const float highest = fmaxf(soft.highest[r], theirs[0]);
            const float faded = exp2f(soft.highest[r] - highest), factor = exp2f(theirs[0] - highest);
            soft.highest[r] = highest;
            soft.sum[r] = fmaf(factor, theirs[1], soft.sum[r] * faded);
#pragma unroll
            for (int own = 0; own < OWN; own++) {
                const int quad = at.column + COLUMN_THREADS * own;
                scale_by(soft.mixed[r][own], faded);
                if (quad < QUADS)
                    add(soft.mixed[r][own], factor, mixed[other * GROUP_QUADS + row * QUADS + quad]);
            }
        }
}

// The tokens from `first_query` on, R of them for each thread.
template <int R>
__device__ __forceinline__ void attend(const Place &at, const Tensor &query, float scale, int first_query, float *out) {
    const float *from = head_of(query);
    for (int index = threadIdx.x; index < R * ROW_THREADS * QUADS; index += THREADS * GROUPS) {
        const int token = first_query + index / QUADS, quad = index % QUADS;
        float4 loaded = make_float4(0, 0, 0, 0);
        if (token < at.length)
            loaded = turned(*(const float4 *)(from + token * query.token + 4 * quad), at.angles, at.length, token, 4 * quad);
        scale_by(loaded, scale);
        at.queries[index / QUADS * PADDED + quad] = loaded;
    }
    const int first = at.group * KEYS;
    if (first < at.length)
        load_keys(at, first);
    Softmax<R> soft;
#pragma unroll
    for (int r = 0; r < R; r++) {
        soft.highest[r] = lowest();
        soft.sum[r] = 0;
#pragma unroll
        for (int own = 0; own < OWN; own++)
            soft.mixed[r][own] = make_float4(0, 0, 0, 0);
    }
    __syncthreads();
    for (int tile = first; tile < at.length; tile += GROUPS * KEYS) {
        // A block of few queries is done before the others, however it takes its last keys.
        if (R > 1 && at.length - tile <= COLUMN_THREADS)
            take_tile<R, 1>(at, soft, tile);
        else
            take_tile<R, COLUMNS>(at, soft, tile);
    }
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
        for (int lane = 1; lane < COLUMN_THREADS; lane *= 2)
            soft.sum[r] += __shfl_xor_sync(WARP, soft.sum[r], lane);
    if (GROUPS > 1)
        join(at, soft);
    if (at.group != 0)
        return;
#pragma unroll
    for (int r = 0; r < R; r++) {
        const int token = first_query + at.row + ROW_THREADS * r;
        if (token >= at.length)
            continue;
        const float whole = 1 / soft.sum[r];
        float *to = out + (((long long)blockIdx.z * at.length + token) * gridDim.y + blockIdx.y) * HEAD;
#pragma unroll
        for (int own = 0; own < OWN; own++) {
            const int quad = at.column + COLUMN_THREADS * own;
            scale_by(soft.mixed[r][own], whole);
            if (quad < QUADS)
                *(float4 *)(to + 4 * quad) = soft.mixed[r][own];
        }
    }
}

// Blocks (tiles of queries, heads, batch). `scale` holds log2(e); `out` [batch, tokens, heads, HEAD] is dense.
extern "C" __global__ void __launch_bounds__(THREADS *GROUPS)
    attention(const float *query, const float *key, const float *value, long long query_batch, long long query_head,
              long long query_token, long long key_batch, long long key_head, long long key_token, long long value_batch,
              long long value_head, long long value_token, const float *cosines, const float *sines, int length, float scale,
              float *out) {
    Place at;
    at.group = threadIdx.x / THREADS;
    at.thread = threadIdx.x % THREADS;
    at.row = at.thread / COLUMN_THREADS;
    at.column = at.thread % COLUMN_THREADS;
    at.queries = shared;
    at.keys = shared + QUERIES * PADDED + at.group * GROUP_QUADS;
    at.values = at.keys + KEYS * PADDED;
    at.weights = (float *)(at.values + KEYS * QUADS);
    at.from_keys = head_of(Tensor{key, key_batch, key_head, key_token});
    at.from_values = head_of(Tensor{value, value_batch, value_head, value_token});
    at.key_token = key_token;
    at.value_token = value_token;
    at.angles = Angles{cosines, sines};
    at.length = length;
    const Tensor queries = {query, query_batch, query_head, query_token};
    const int first_query = blockIdx.x * QUERIES;
    if (length - first_query <= ROW_THREADS)
        attend<1>(at, queries, scale, first_query, out);
    else
        attend<ROWS>(at, queries, scale, first_query, out);
}
