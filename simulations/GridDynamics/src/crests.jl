# Largest frequencies between the accepted steps, which may be far apart.

"""A step is looked at in so many pieces; a parabola finds the crest between three looks."""
const PIECES = 8

"""
    highest_crest(workspace, step, largest)

The largest |ω_i| within the last accepted step, or `largest` where none exceeds it.

Within the step, ω_i is the polynomial of fourth degree in u = (t − t_0)/h that has the frequencies
and accelerations of both ends and whose integral is the advance of the phase: the derivative of
Hermite's quintic for θ_i. That needs no further slope and suits any method and node type.
"""
function highest_crest(w::Workspace, step::Float64, largest::Float64)
    nodes = length(w.sine)
    @inbounds for i in 1:nodes
        first, last = w.old_state[nodes + i], w.state[nodes + i]
        rise, fall = step * w.old_slope[nodes + i], step * w.slopes[nodes + i, 1]
        mean = (w.state[i] - w.old_state[i]) / step
        bulge = 30 * (mean - (first + last) / 2 - (rise - fall) / 12)
        # No point of the polynomial is further out than this.
        ends = max(abs(first), abs(last))
        ends + (abs(rise) + abs(fall)) * 4 / 27 + abs(bulge) / 16 <= largest && continue
        before, here = abs(first), crest_at(1 / PIECES, first, last, rise, fall, bulge)
        for k in 2:PIECES
            after = crest_at(k / PIECES, first, last, rise, fall, bulge)
            bend = 2here - before - after
            if here >= before && here >= after && bend > 0
                largest = max(largest, here + (after - before)^2 / (8bend))
            end
            before, here = here, after
        end
    end
    return largest
end

@inline function crest_at(u, first, last, rise, fall, bulge)
    v = 1 - u
    cubic = first * v^2 * (1 + 2u) + last * u^2 * (1 + 2v)
    return abs(cubic + u * v * (rise * v - fall * u + bulge * u * v))
end
