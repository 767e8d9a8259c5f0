# exports.def -> GNU ld version script.  X(room, Name, Ret, (args)) exports a function, D(room, Name, ...) a datum;
# every uwsk_ symbol (the API of include/uwsk) is exported, too, and what drivers of `uwsk cc --explore` call at each
# access (host/sim/memory.c); everything else stays inside.
BEGIN {
    print "UWSK_0 {"
    print "global:"
    print "    uwsk_*;"
    print "    __tsan_*;"
}
/^[ \t]*[A-Z][A-Z_]*\(/ {
    line = $0
    sub(/^[ \t]*[A-Z][A-Z_]*\([ \t]*/, "", line)
    count = split(line, field, /[ \t]*,[ \t]*/)
    name = field[2]
    sub(/[^A-Za-z0-9_].*$/, "", name)
    if (count < 2 || name !~ /^[A-Za-z_][A-Za-z0-9_]*$/) {
        print FILENAME ":" FNR ": not X(room, Name, ...): " $0 > "/dev/stderr"
        failed = 1
    } else if (!(name in seen)) {
        seen[name] = 1
        print "    " name ";"
    }
}
END {
    print "local:"
    print "    *;"
    print "};"
    exit failed
}
