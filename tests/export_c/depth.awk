# The bytes that the deepest chain of calls takes, from what `gcc -fcallgraph-info=su` writes. A call by a pointer may reach every layer; a function of a C
# library is taken for 128 bytes.
/^node/ {
    split($0, part, "\"")
    bytes[part[2]] = match(part[4], /[0-9]+ bytes/) ? substr(part[4], RSTART, RLENGTH) + 0 : 128
    unbounded = unbounded || part[4] ~ /\(dynamic/
    if (part[2] ~ /:layer[0-9]/)
        layers[part[2]]
}

/^edge/ {
    split($0, part, "\"")
    calls[part[2], ++count[part[2]]] = part[4]
}

function depth(name,    i, most, layer) {
    if (name in known)
        return known[name]
    known[name] = 1e9 # while it is looked into: a recursion has no depth
    if (name == "__indirect_call") {
        for (layer in layers)
            most = depth(layer) > most ? depth(layer) : most
    } else {
        for (i = 1; i <= count[name]; i++)
            most = depth(calls[name, i]) > most ? depth(calls[name, i]) : most
        most += bytes[name]
    }
    return known[name] = most
}

END {
    for (name in bytes)
        deepest = depth(name) > deepest ? depth(name) : deepest
    print unbounded ? 1e9 : deepest
}
