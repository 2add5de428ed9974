# A small workload of both kinds of methods, and a number that any changed bit changes.

function outcomes_of_both(threads)
    model = G.SwingModel(mesh(20))
    rule = G.stop_rule("fast", model)
    p = G.random_perturbations(model.grid, 10; seed = 4)
    fast = G.run_fast(model, p, rule, G.Schedule(model, rule, 500.0); threads = threads)
    adaptive, _ = G.run_adaptive(model, p, rule, 100.0; tableau = G.TSIT5, rtol = 1e-6,
                                 atol = 1e-6, threads = threads)
    return fast, adaptive
end

bits(numbers) = reinterpret.(UInt64, numbers)

checksum(outcomes) =
    hash([(bits(o.stop_time), bits(o.max_frequency), o.status, o.reason) for o in outcomes])
