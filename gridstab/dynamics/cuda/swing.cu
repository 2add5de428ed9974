// The swing equation for an ensemble of perturbed trajectories, one launch a slice of time.
//
// Mapping. A block advances LANES trajectories together. Its threads form GROUPS groups of LANES;
// a thread follows one lane and owns the nodes group, group + GROUPS, ... of it. Rows of shared
// memory, one a node and LANES wide, hold (sin θ, cos θ) for the neighbours to read: the threads of
// a warp read consecutive words. A lane whose trajectory has stopped takes the next one from a
// global counter. Outcomes are stored by trajectory, lanes never mix and sums are taken in a fixed
// order, so an outcome does not depend on the batch, the block or the slices.
//
// Compiled with -D: LANES, GROUPS (a power of two), NODES_PER_GROUP (> 0: each thread keeps its
// nodes' θ and ω in registers; 0: in the workspace), SHARED_ROWS (else rows are in the workspace),
// HOMOGENEOUS (one inertia, damping and coupling for all). Multiply-adds are written out, so that
// every compiler told not to contract products yields the same bits.
//
// Integrator: processed Takahashi-Imada with exact damped drift, as in dynamics/oracle.py. A round
// is a fixed number of steps from check to check; it lasts one interval of the lane's clock at the
// early step and two at the late step, which is twice as long.

constexpr float kExactShare = 0.81649658f;  // √(2/3)
constexpr int kThreads = LANES * GROUPS;
constexpr float kHuge = 3.0e38f;
constexpr float kTwoPi = 6.283185307f;
constexpr float kTurn = 0.1591549431f;  // 1 / 2π
constexpr int kSampleEvery = 4;         // steps between samples of the extreme frequencies

// As in gridstab/dynamics/engine.py.
enum Status : signed char { kUndecided = -1, kLeft = 0, kReturned = 1 };
enum Reason : signed char { kHorizon, kCertified, kSettled, kPublished, kDiverged };

struct Step {
  float half_kick;    // h/2, times K/m if homogeneous
  float displace;     // h²/12, times K/m if homogeneous
  float process;      // h²/12 less that of the step before
  float drift;        // a = (1 − e)/γ, if homogeneous
  float drift_power;  // b = (h − a)/γ, if homogeneous
  float decay;        // e = exp(−γh), if homogeneous
  float remains;      // of ω at the look, if homogeneous
  float look_power;   // gain of ω by one P/m until the look, if homogeneous
};

struct Lane {
  int trajectory;  // −1: none
  int clock;       // in check intervals
  float peak;      // largest |ω| so far
};

// Mirrored by PARAMETERS in tables.py.
struct Parameters {
  // The grid; neighbours and cycles in compressed rows.
  const int* row_start;
  const int* neighbours;
  const float* gain;          // K_ij/m_i of each neighbour; K/m alone if homogeneous
  const float* rest;          // θ* of the operating point
  const float* power;         // P/m
  const float* half_inertia;  // m/2
  const float* friction;      // γ = D/m
  const float4* flow;         // (a, e, b P/m, a P/m) by step and node, unless homogeneous
  const float2* look;         // what remains of ω, and what P adds, by step and node, unless homogeneous
  const int2* line_ends;      // tail, head
  const float4* line;         // K, φ*, cos φ*, sin φ*
  const int* cycle_start;
  const int2* cycle;          // line, direction (±1)
  // Perturbations and outcomes, by trajectory.
  const int* node;
  const float* dtheta;
  const float* domega;
  signed char* status;
  signed char* reason;
  int* stop_clock;
  float* max_frequency;
  // Workspace, by block.
  Lane* lanes;
  float2* state;        // θ, ω
  float2* rows;         // two for each node, unless in shared memory
  float2* extent;       // smallest and largest ω of the present window
  float2* last_extent;  // and of the previous one
  float* last_mean;
  float* turns;         // taken out of θ since the window began
  float* window_theta;  // θ when the window began
  int* counters;        // trajectories handed out, trajectories finished
  // Sizes and the stop rule.
  int nodes;
  int lines;
  int cycles;
  int trajectories;
  int rounds;
  int round_steps;
  int late_after;
  int horizon;
  int time_to_settle;
  int window;
  int published_after;
  int published;
  int certified;
  int settled;
  float window_length;
  float return_frequency;
  float trapping_energy;  // below it no line can slip
  float quiet_energy;     // below it no node can swing at the return frequency
  float settled_tolerance;
  float settled_frequency;
  Step steps[2];  // early, late
};

extern __shared__ float4 shared_memory[];

// Absolute error below 1e-7: reduction to half a turn in two parts, then minimax polynomials.
__device__ __forceinline__ float2 sine_cosine(float theta) {
  const float half_turns = rintf(theta * 0.3183098862f);
  float r = fmaf(half_turns, -3.140625f, theta);
  r = fmaf(half_turns, -9.67653589793e-4f, r);
  const float z = r * r;
  float s = fmaf(2.6346972e-06f, z, -1.98227217e-04f);
  s = fmaf(s, z, 8.3332420e-03f);
  s = fmaf(s, z, -1.6666666e-01f);
  s = fmaf(r * z, s, r);
  float c = fmaf(-2.6296901e-07f, z, 2.47745531e-05f);
  c = fmaf(c, z, -1.38886513e-03f);
  c = fmaf(c, z, 4.16666593e-02f);
  c = fmaf(c, z, -5.0e-01f);
  c = fmaf(z, c, 1.0f);
  const bool odd = static_cast<int>(half_turns) & 1;
  return make_float2(odd ? -s : s, odd ? -c : c);
}

// One thread's part of a block.
struct Swing {
  const Parameters& p;
  const int lane;
  const int group;
  float4* const scratch;   // one entry a thread, for reductions
  float2* const angle;     // rows of (sin θ, cos θ)
  float2* const exchange;  // rows of displaced (sin, cos) in a step, of (θ, ω) between rounds
  const size_t offset;     // of this block in the workspace
#if NODES_PER_GROUP > 0
  float2 registers[NODES_PER_GROUP];
#endif
  Lane now;
  bool drained;

  __device__ Swing(const Parameters& parameters, float4* scratch, float2* rows)
      : p(parameters),
        lane(threadIdx.x % LANES),
        group(threadIdx.x / LANES),
        scratch(scratch),
        angle(rows),
        exchange(rows + parameters.nodes * LANES),
        offset(static_cast<size_t>(blockIdx.x) * parameters.nodes * LANES),
        now(parameters.lanes[blockIdx.x * LANES + threadIdx.x % LANES]),
        drained(false) {}

  __device__ __forceinline__ bool is_late() const { return now.clock >= p.late_after; }
  __device__ __forceinline__ int at(int node) const { return node * LANES + lane; }

  // Calls body(node, state) for the nodes of this thread; state is (θ, ω).
  template <class Body>
  __device__ __forceinline__ void each_own_node(Body body) {
#if NODES_PER_GROUP > 0
#pragma unroll
    for (int slot = 0; slot < NODES_PER_GROUP; ++slot) {
      const int node = group + slot * GROUPS;
      if (node < p.nodes) body(node, registers[slot]);
    }
#else
    for (int node = group; node < p.nodes; node += GROUPS) body(node, p.state[offset + at(node)]);
#endif
  }

  // In each lane, over all groups: the sum of x, the largest of y, z and w.
  __device__ float4 reduce(float4 mine) {
    scratch[threadIdx.x] = mine;
    for (int half = GROUPS / 2; half > 0; half /= 2) {
      __syncthreads();
      if (group < half) {
        const float4 other = scratch[threadIdx.x + half * LANES];
        mine = make_float4(mine.x + other.x, fmaxf(mine.y, other.y), fmaxf(mine.z, other.z),
                           fmaxf(mine.w, other.w));
        scratch[threadIdx.x] = mine;
      }
    }
    __syncthreads();
    const float4 total = scratch[lane];
    __syncthreads();
    return total;
  }

  // Σ_j sin(θ_j − θ_i), weighted by the gains unless homogeneous; here is row i.
  __device__ __forceinline__ float pull(const float2* rows, int node, float2 here) const {
    float sines = 0.0f;
    float cosines = 0.0f;
    const int end = __ldg(p.row_start + node + 1);
    for (int k = __ldg(p.row_start + node); k < end; ++k) {
      const float2 there = rows[at(__ldg(p.neighbours + k))];
#if HOMOGENEOUS
      sines += there.x;
      cosines += there.y;
#else
      const float gain = __ldg(p.gain + k);
      sines = fmaf(gain, there.x, sines);
      cosines = fmaf(gain, there.y, cosines);
#endif
    }
    return fmaf(here.y, sines, -(here.x * cosines));
  }

  // The exact flow without coupling over one step; flow is that step's part of the table.
  __device__ __forceinline__ float2 drifted(int node, float2 state, const Step& step,
                                            const float4* flow) const {
#if HOMOGENEOUS
    const float power = __ldg(p.power + node);
    return make_float2(state.x + fmaf(step.drift, state.y, step.drift_power * power),
                       fmaf(step.decay, state.y, step.drift * power));
#else
    const float4 exact = __ldg(flow + node);
    return make_float2(state.x + fmaf(exact.x, state.y, exact.z), fmaf(exact.y, state.y, exact.w));
#endif
  }

  // |ω| a little after a kick, where it is exact up to h³, see native/integrator.py.
  __device__ __forceinline__ float seen(int node, float omega, const Step& step,
                                        const float2* look) const {
#if HOMOGENEOUS
    return fabsf(fmaf(step.look_power, __ldg(p.power + node), step.remains * omega));
#else
    const float2 here = __ldg(look + node);
    return fabsf(fmaf(here.x, omega, here.y));
#endif
  }

  // round_steps steps from a synchronous state to a synchronous state, between half kicks.
  __device__ void advance() {
    const bool late = is_late();
    const Step step = late ? p.steps[1] : p.steps[0];
    const float4* const flow = p.flow + (late ? p.nodes : 0);
    const float2* const look = p.look + (late ? p.nodes : 0);
    float peak = now.peak;
    for (int i = 0; i <= p.round_steps; ++i) {
      each_own_node([&](int node, float2&) {
        const float2 here = angle[at(node)];
        const float d = step.displace * pull(angle, node, here);
        exchange[at(node)] = make_float2(fmaf(here.y, d, here.x), fmaf(-here.x, d, here.y));
      });
      __syncthreads();
      const bool sample = p.settled && i % kSampleEvery == 0;
      each_own_node([&](int node, float2& state) {
        const float half_kick = step.half_kick * pull(exchange, node, exchange[at(node)]);
        // The closing half of the step before; θ and ω are synchronous in between.
        float omega = i > 0 ? state.y + half_kick : state.y;
        if (sample) {
          float2& extent = p.extent[offset + at(node)];
          extent = make_float2(fminf(extent.x, omega), fmaxf(extent.y, omega));
        }
        if (i < p.round_steps) {
          peak = fmaxf(peak, seen(node, fmaf(kExactShare, half_kick, omega), step, look));
          state = drifted(node, make_float2(state.x, omega + half_kick), step, flow);
          angle[at(node)] = sine_cosine(state.x);
        } else {
          state.y = omega;
        }
      });
      __syncthreads();
    }
    now.peak = peak;
    now.clock += late ? 2 : 1;
  }

  // θ_tail − θ_head + φ* of a line in whole turns: how often to turn it into the basin box.
  __device__ __forceinline__ float line_turns(float difference, float phase) const {
    return rintf((difference + phase) * kTurn);
  }

  // Σ K [cos φ* − cos φ − (φ − φ*) sin φ*] of every line turned into the basin box; huge where
  // the turns do not cancel around some cycle, because no such state exists then.
  __device__ float potential() {
    float energy = 0.0f;
    for (int k = group; k < p.lines; k += GROUPS) {
      const int2 ends = __ldg(p.line_ends + k);
      const float4 line = __ldg(p.line + k);
      const float2 tail = angle[at(ends.x)];
      const float2 head = angle[at(ends.y)];
      const float difference = exchange[at(ends.x)].x - exchange[at(ends.y)].x;
      const float turns = line_turns(difference, line.y);
      const float offset_from_rest = fmaf(turns, -kTwoPi, difference - line.y);
      const float cosine = fmaf(tail.y, head.y, tail.x * head.x);
      energy = fmaf(line.x, fmaf(-offset_from_rest, line.w, line.z - cosine), energy);
    }
    float wound = 0.0f;
    for (int c = group; c < p.cycles; c += GROUPS) {
      float turns = 0.0f;
      const int end = __ldg(p.cycle_start + c + 1);
      for (int k = __ldg(p.cycle_start + c); k < end; ++k) {
        const int2 part = __ldg(p.cycle + k);
        const int2 ends = __ldg(p.line_ends + part.x);
        const float difference = exchange[at(ends.x)].x - exchange[at(ends.y)].x;
        turns = fmaf(part.y, line_turns(difference, __ldg(p.line + part.x).y), turns);
      }
      if (turns != 0.0f) wound = 1.0f;
    }
    const float4 total = reduce(make_float4(energy, wound, 0.0f, 0.0f));
    return total.y > 0.0f ? kHuge : total.x;
  }

  // Whether this lane's window repeats the one before it, away from rest; begins the next window.
  __device__ bool close_window(bool closes) {
    float change = 0.0f;
    float fastest = 0.0f;
    if (closes) {
      each_own_node([&](int node, float2& state) {
        const size_t row = offset + at(node);
        const float advanced = fmaf(p.turns[row], kTwoPi, state.x - p.window_theta[row]);
        const float mean = advanced / p.window_length;
        const float2 extent = p.extent[row];
        const float2 last = p.last_extent[row];
        change = fmaxf(change, fabsf(mean - p.last_mean[row]));
        change = fmaxf(change, fmaxf(fabsf(extent.x - last.x), fabsf(extent.y - last.y)));
        fastest = fmaxf(fastest, fabsf(mean));
        p.last_mean[row] = mean;
        p.last_extent[row] = extent;
        begin_window(row, state.x);
      });
    }
    const float4 largest = reduce(make_float4(0.0f, change, fastest, 0.0f));
    return closes && largest.y < p.settled_tolerance && largest.z > p.settled_frequency;
  }

  __device__ __forceinline__ void begin_window(size_t row, float theta) {
    p.extent[row] = make_float2(kHuge, -kHuge);
    p.turns[row] = 0.0f;
    p.window_theta[row] = theta;
  }

  __device__ void finish(Status status, Reason reason) {
    if (group == 0) {
      p.status[now.trajectory] = status;
      p.reason[now.trajectory] = reason;
      p.stop_clock[now.trajectory] = now.clock;
      p.max_frequency[now.trajectory] = now.peak;
      atomicAdd(p.counters + 1, 1);
    }
    now.trajectory = -1;
  }

  // Wraps the angles and applies the stop rule.
  __device__ void check() {
    float kinetic = 0.0f;
    float fastest = 0.0f;
    each_own_node([&](int node, float2& state) {
      const float turns = rintf(state.x * kTurn);
      state.x = fmaf(turns, -1.9353071795e-3f, fmaf(turns, -6.28125f, state.x));
      if (p.settled) p.turns[offset + at(node)] += turns;
      // From the wrapped angle, so that it makes no difference where a slice ends.
      angle[at(node)] = sine_cosine(state.x);
      exchange[at(node)] = state;
      kinetic = fmaf(__ldg(p.half_inertia + node) * state.y, state.y, kinetic);
      fastest = fmaxf(fastest, fabsf(state.y));
    });
    const float4 total = reduce(make_float4(kinetic, fastest, now.peak, 0.0f));
    now.peak = total.z;

    const bool running = now.trajectory >= 0;
    float energy = kHuge;
    if (__syncthreads_or(running && p.certified && total.x < p.trapping_energy)) {
      energy = total.x + potential();
    }
    const bool closes = running && p.settled && now.clock % p.window == 0;
    const bool repeats = __syncthreads_or(closes) && close_window(closes);
    if (!running) return;

    const bool trapped = energy < p.trapping_energy;
    if (!(total.x < kHuge)) {
      finish(kUndecided, kDiverged);
    } else if (p.published && now.clock >= p.published_after && total.y <= p.return_frequency) {
      finish(kReturned, kPublished);
    } else if (now.clock >= p.horizon) {
      finish(total.y < p.return_frequency ? kReturned : trapped ? kUndecided : kLeft, kHorizon);
    } else if (energy < p.quiet_energy ||
               (trapped && p.horizon - now.clock >= p.time_to_settle)) {
      finish(kReturned, kCertified);
    } else if (repeats) {
      finish(kLeft, kSettled);
    }
  }

  // Gives idle lanes the next trajectory; true for a lane that has just received one.
  __device__ bool refill() {
    const bool idle = now.trajectory < 0 && !drained;
    if (!__syncthreads_or(idle)) return false;
    int* const handed = reinterpret_cast<int*>(scratch);
    if (idle && group == 0) handed[lane] = atomicAdd(p.counters, 1);
    __syncthreads();
    const int trajectory = handed[lane];
    __syncthreads();
    if (!idle) return false;
    drained = trajectory >= p.trajectories;
    if (drained) return false;

    now = {trajectory, 0, fabsf(__ldg(p.domega + trajectory))};
    const int perturbed = __ldg(p.node + trajectory);
    each_own_node([&](int node, float2& state) {
      state = make_float2(__ldg(p.rest + node), 0.0f);
      if (node == perturbed) {
        state.x += __ldg(p.dtheta + trajectory);
        state.y += __ldg(p.domega + trajectory);
      }
      angle[at(node)] = sine_cosine(state.x);
      exchange[at(node)] = state;
      if (p.settled) {
        const size_t row = offset + at(node);
        p.last_mean[row] = kHuge;
        p.last_extent[row] = make_float2(kHuge, -kHuge);
        begin_window(row, state.x);
      }
    });
    return true;
  }

  // θ −= x f and ω += x (f'(θ) ω + γ f) with x = amount, in the lanes where it is not 0.
  __device__ void process(float amount) {
    if (!__syncthreads_or(amount != 0.0f)) return;
    if (amount != 0.0f) {
      each_own_node([&](int node, float2& state) {
        const float2 here = angle[at(node)];
        float force = 0.0f;
        float slope = 0.0f;
        const int end = __ldg(p.row_start + node + 1);
        for (int k = __ldg(p.row_start + node); k < end; ++k) {
          const int j = at(__ldg(p.neighbours + k));
          const float2 there = angle[j];
          const float gain = __ldg(p.gain + (HOMOGENEOUS ? 0 : k));
          force = fmaf(gain, fmaf(here.y, there.x, -(here.x * there.y)), force);
          slope = fmaf(gain * fmaf(here.y, there.y, here.x * there.x),
                       exchange[j].y - exchange[at(node)].y, slope);
        }
        state.x = fmaf(-amount, force, state.x);
        state.y = fmaf(amount, fmaf(__ldg(p.friction + node), force, slope), state.y);
      });
    }
    __syncthreads();
    each_own_node([&](int node, float2& state) { angle[at(node)] = sine_cosine(state.x); });
    __syncthreads();
  }

  __device__ void run() {
    each_own_node([&](int node, float2& state) {
      state = p.state[offset + at(node)];
      angle[at(node)] = sine_cosine(state.x);
    });
    process(refill() ? p.steps[0].process : 0.0f);
    for (int round = 0; round < p.rounds; ++round) {
      if (!__syncthreads_or(now.trajectory >= 0)) break;
      const bool was_late = is_late();
      advance();
      check();
      const bool turned_late = !was_late && is_late();
      const bool fresh = refill();
      process(fresh ? p.steps[0].process : turned_late ? p.steps[1].process : 0.0f);
    }
    each_own_node([&](int node, float2& state) { p.state[offset + at(node)] = state; });
    if (group == 0) p.lanes[blockIdx.x * LANES + lane] = now;
  }
};

// At most 64 registers a thread: an SM has room for 1024 such threads.
extern "C" __global__ void __launch_bounds__(kThreads, 1024 / kThreads)
    simulate(const Parameters parameters) {
#if SHARED_ROWS
  float2* const rows = reinterpret_cast<float2*>(shared_memory + kThreads);
#else
  float2* const rows =
      parameters.rows + static_cast<size_t>(blockIdx.x) * 2 * parameters.nodes * LANES;
#endif
  Swing swing(parameters, shared_memory, rows);
  swing.run();
}
