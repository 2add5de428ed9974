# julia --project=simulations/GridDynamics simulations/GridDynamics/serve.jl; see PROTOCOL.md.
using GridDynamics

GridDynamics.serve()
