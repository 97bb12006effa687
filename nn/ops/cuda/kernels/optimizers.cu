// Optimizer steps of one element. step_and_rate = (step count, learning rate), on the device.

template <typename T, typename StepAndRate>
__device__ void sgd(T grad, const StepAndRate& step_and_rate, T momentum, bool nesterov,
                    T weight_decay, T& value, T& velocity) {
    T g = weight_decay ? grad + weight_decay * value : grad;
    velocity = momentum * velocity + g;
    value -= T(step_and_rate[1]) * (nesterov ? g + momentum * velocity : velocity);
}

template <typename T, typename StepAndRate>
__device__ void rmsprop(T grad, const StepAndRate& step_and_rate, T decay, T rest, T eps,
                        T weight_decay, T& value, T& square) {
    T g = weight_decay ? grad + weight_decay * value : grad;
    square = decay * square + rest * g * g;
    value -= T(step_and_rate[1]) * (g / (sqrt(square) + eps));
}

// Count the step; schedule = (rate, eps_t, factor of weight decay), in double precision, computed
// once instead of for every element.
template <typename StepAndRate, typename Schedule>
__device__ void adam_schedule(double beta1, double beta2, double eps, double weight_decay,
                              StepAndRate& step_and_rate, Schedule& schedule) {
    double t = step_and_rate[0] += 1;
    double root = sqrt(1 - pow(beta2, t));
    schedule[0] = step_and_rate[1] * (1 - beta1) / (1 - pow(beta1, t)) * root;
    schedule[1] = eps * root;
    schedule[2] = 1 - step_and_rate[1] * weight_decay;
}

template <typename T, typename Schedule>
__device__ void adam(T grad, const Schedule& schedule, T beta1, T beta2, T rest, T& value, T& m,
                     T& v) {
    m = beta1 * m + grad;
    v = beta2 * v + rest * grad * grad;
    value = T(schedule[2]) * value - T(schedule[0]) * (m / (sqrt(v) + T(schedule[1])));
}
