// CUDA's language for g++: elements and threads run one after another on the CPU.

#include <cmath>
#include <cstddef>
#include <ucontext.h>
#include <vector>
#undef INFINITY  // NVRTC has no macros of <math.h>
#undef NAN
#undef HUGE_VAL
#undef M_PI
#define __device__
#define __global__
#define __shared__ static
using namespace std;

static bool reversed = false;
extern "C" void set_reversed(bool value) { reversed = value; }

// ---- one element after another
struct Elements {
    long long size; int ndim; const long long* shape; char** data; const long long* strides;
    template <typename T> T& at(int argument, long long i) const {
        char* place = data[argument];
        if (ndim == 1) return *(T*)(place + i * strides[argument]);
        for (int d = ndim - 1; d >= 0; --d) {
            place += i % shape[d] * strides[argument * ndim + d];
            i /= shape[d];
        }
        return *(T*)place;
    }
};

// ---- one thread of a block after another, from barrier to barrier
struct Index { unsigned x, y; };
static Index threadIdx, blockIdx;
typedef void* Place[5];  // of GCC's own setjmp, a fifth of the C library's in time
static Place scheduler;
struct Fiber { Place place; };  // where it waits; made once, then used by every block
static std::vector<Fiber*> fibers;
static std::vector<char> finished;
static int running;
static void (*entry)(void**);
static void** arguments;
__attribute__((noinline)) static void jump(Place& place) { __builtin_longjmp(place, 1); }
__attribute__((noinline)) static void __syncthreads() {
    if (!__builtin_setjmp(fibers[running]->place)) jump(scheduler);
}
static void fiber() { for (;;) { entry(arguments); finished[running] = 1; __syncthreads(); } }

__attribute__((noinline)) static void start_fiber() {
    fibers[running] = new Fiber;
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_size = 32768;
    start.uc_stack.ss_sp = new char[start.uc_stack.ss_size];
    start.uc_link = nullptr;
    makecontext(&start, fiber, 0);
    setcontext(&start);
}

// run a fiber until its next barrier; by jumps, since swapcontext makes a system call each time
__attribute__((noinline)) static void run_fiber() {
    if (__builtin_setjmp(scheduler)) return;
    if (fibers[running]) jump(fibers[running]->place);
    start_fiber();
}

// 1 where some threads of a block wait at a barrier that others never reach, else 0
static int launch(const int* grid, const int* block, void (*kernel)(void**), void** args) {
    const int threads = block[0] * block[1];
    entry = kernel; arguments = args;
    if (threads > (int)fibers.size()) fibers.resize(threads);
    for (int b = 0; b < grid[0]; ++b) {
        blockIdx = {(unsigned)b, 0}; finished.assign(threads, 0);
        for (int done = 0; done < threads;) {
            if (done) { fibers.clear(); return 1; }
            for (int k = 0; k < threads; ++k) {
                running = reversed ? threads - 1 - k : k;
                threadIdx = {(unsigned)(running % block[0]), (unsigned)(running / block[0])};
                run_fiber();
                done += finished[running];
            }
        }
    }
    return 0;
}
