# Arrays in NumPy's .npy format (versions 1 to 3, little endian, C order), the types that we need.

const NPY_TYPES = Dict("<f8" => Float64, "<i8" => Int64, "|i1" => Int8)
const NPY_MAGIC = UInt8[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

"""
    read_npy(path)

The array of a file. Dimensions are in reverse order: the last one of NumPy is Julia's first.
Throws [`InvalidParameterError`](@ref) where the file is none that we read.
"""
function read_npy(path::AbstractString)
    isfile(path) || throw(InvalidParameterError("there is no file $path"))
    return open(path) do io
        read(io, 6) == NPY_MAGIC || throw(InvalidParameterError("$path is not an .npy file"))
        major, _ = read(io, UInt8), read(io, UInt8)
        size = major == 1 ? Int(ltoh(read(io, UInt16))) : Int(ltoh(read(io, UInt32)))
        header = String(read(io, size))
        T = get(NPY_TYPES, field(header, r"'descr':\s*'([^']*)'"), nothing)
        T === nothing && throw(InvalidParameterError("$path must hold float64, int64 or int8"))
        sizes = eachmatch(r"\d+", field(header, r"'shape':\s*\(([^)]*)\)"))
        shape = [parse(Int, size.match) for size in sizes]
        field(header, r"'fortran_order':\s*(\w+)") == "True" && length(shape) > 1 &&
            throw(InvalidParameterError("$path must be in C order"))
        array = Array{T}(undef, reverse(shape)...)
        filesize(path) - position(io) == sizeof(array) ||
            throw(InvalidParameterError("$path is damaged: its size is not that of its shape"))
        read!(io, array)
        return array
    end
end

function field(header, pattern)
    found = match(pattern, header)
    return found === nothing ? "" : found.captures[1]
end

"""
    write_npy(path, array)

Writes the array, its dimensions in reverse order. The file is there whole or not at all.
"""
function write_npy(path::AbstractString, array::Array{T}) where {T}
    kind = only(key for (key, value) in NPY_TYPES if value === T)
    shape = join((string(n, ",") for n in reverse(size(array))), " ")
    header = "{'descr': '$kind', 'fortran_order': False, 'shape': ($shape), }"
    header *= " "^mod(-(10 + length(header) + 1), 64) * "\n"
    open(path * ".part", "w") do io
        write(io, NPY_MAGIC, UInt8[1, 0], htol(UInt16(length(header))), header, array)
    end
    mv(path * ".part", path; force = true)
    return nothing
end
