# Embedded Runge–Kutta methods as data. The times of the stages are left out, because the swing
# equation does not depend on time.

"""
    Tableau

Coefficients of an explicit method whose last slope belongs to the new state. Column s of `matrix`
weighs the slopes of earlier stages for stage s; `weights` those in the new state; `error` all
slopes, the new state's included, in the error estimate, whose order is `error_order`;
`error_correction` those of the second estimate of DOP853, zeros elsewhere.
"""
struct Tableau
    matrix::Matrix{Float64}
    weights::Vector{Float64}
    error::Vector{Float64}
    error_correction::Vector{Float64}
    error_order::Int
end

function Tableau(rows, weights, error, error_order; error_correction = zero(error))
    matrix = zeros(length(weights), length(weights))
    for (k, row) in enumerate(rows)
        matrix[1:k, k + 1] = row
    end
    return Tableau(matrix, weights, error, error_correction, error_order)
end

"""Tsitouras 5(4), Computers & Mathematics with Applications 62 (2011) 770–775."""
const TSIT5 = Tableau(
    [
        [0.161],
        [-0.008480655492356989, 0.335480655492357],
        [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        [5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401,
         -0.028269050394068383],
    ],
    [0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081,
     2.324710524099774],
    [-0.001780011052225771, -0.0008164344596567469, 0.007880878010261995, -0.1447110071732629,
     0.5823571654525552, -0.45808210592918697, 1 / 66],
    4,
)

"""Dormand–Prince 8(5,3), Hairer, Nørsett and Wanner 1993, section II.10."""
const DOP853 = Tableau(
    DORMAND_PRINCE_8_ROWS, DORMAND_PRINCE_8_WEIGHTS, DORMAND_PRINCE_8_ERROR_5, 7;
    error_correction = DORMAND_PRINCE_8_ERROR_3,
)
