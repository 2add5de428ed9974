# What can go wrong; every message is one line that repeats the value and says what to do.

"""Base of the errors that a caller's input can cause."""
abstract type GridError <: Exception end

"""A parameter is outside its range."""
struct InvalidParameterError <: GridError
    message::String
end

"""Arrays do not form a power grid."""
struct InvalidGridError <: GridError
    message::String
end

"""The power flow equations have no solution that Newton's method reaches."""
struct NoOperatingPointError <: GridError
    message::String
end

"""The power flow has a solution, but small disturbances grow around it."""
struct UnstableOperatingPointError <: GridError
    message::String
end

"""The caller asked for the work to stop."""
struct Cancelled <: Exception end

Base.showerror(io::IO, e::GridError) = print(io, e.message)
Base.showerror(io::IO, ::Cancelled) = print(io, "cancelled")
