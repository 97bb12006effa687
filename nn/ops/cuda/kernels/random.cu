// Random numbers: number i of a stream is a function of (key, stream, position + i).

// Philox 4x32 of ten rounds.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
__device__ void philox(unsigned long long key, unsigned long long stream,
                       unsigned long long position, unsigned int w[4]) {
    unsigned int k0 = (unsigned int)key, k1 = (unsigned int)(key >> 32);
    w[0] = (unsigned int)position;
    w[1] = (unsigned int)(position >> 32);
    w[2] = (unsigned int)stream;
    w[3] = (unsigned int)(stream >> 32);
    for (int round = 0; round < 10; ++round) {
        unsigned long long a = 0xD2511F53ULL * w[0], b = 0xCD9E8D57ULL * w[2];
        w[0] = (unsigned int)(b >> 32) ^ w[1] ^ k0;
        w[1] = (unsigned int)b;
        w[2] = (unsigned int)(a >> 32) ^ w[3] ^ k1;
        w[3] = (unsigned int)a;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
}

// uniform on [0, 1): 24 random bits as a float, 53 as a double
__device__ float unit(unsigned int a, unsigned int b, float) {
    return (a >> 8) * (1.0f / 16777216.0f);
}
__device__ double unit(unsigned int a, unsigned int b, double) {
    return (((unsigned long long)a << 32 | b) >> 11) * (1.0 / 9007199254740992.0);
}

// In the following, state = (key, stream, position).

template <typename T, typename State>
__device__ T uniform(const State& state, long long i) {
    unsigned int w[4];
    philox(state[0], state[1], state[2] + i, w);
    return unit(w[0], w[1], T());
}

// Box & Muller 1958; 1 - unit lies in (0, 1], where the logarithm is finite
template <typename T, typename State>
__device__ T normal(const State& state, long long i) {
    unsigned int w[4];
    philox(state[0], state[1], state[2] + i, w);
    T angle = T(6.283185307179586) * unit(w[2], w[3], T());
    return sqrt(T(-2) * log(1 - unit(w[0], w[1], T()))) * cos(angle);
}

// 32 random bits
template <typename State>
__device__ unsigned int random_bits(const State& state, long long i) {
    unsigned int w[4];
    philox(state[0], state[1], state[2] + i, w);
    return w[0];
}

// A shuffle sorts by random keys of 63 bits; padding to a power of two has a larger key.
template <typename State, typename Index, typename Keys, typename Items>
__device__ void shuffle_key(const State& state, const Index& index, long long n, long long i,
                            Keys& keys, Items& items) {
    unsigned int w[4];
    philox(state[0], state[1], state[2] + i, w);
    keys[i] = i < n ? ((unsigned long long)w[0] << 32 | w[1]) >> 1 : ~0ULL;
    items[i] = i < n ? index[i] : 0;
}

// One stage of Batcher's bitonic sort: each pair (i, i + distance) is put in the order of its run.
template <typename Keys, typename Items>
__device__ void shuffle_stage(long long distance, long long run, long long i, Keys& keys,
                              Items& items) {
    long long other = i ^ distance;
    if (other > i && (keys[i] > keys[other]) == ((i & run) == 0)) {
        unsigned long long key = keys[i];
        keys[i] = keys[other];
        keys[other] = key;
        long long item = items[i];
        items[i] = items[other];
        items[other] = item;
    }
}
