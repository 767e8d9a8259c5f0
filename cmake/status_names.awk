# ntstatus.h -> src/nt/rtl/status_names.inc: X(value, name, words) for every status, the words made from the name.
# The first of several names of one value wins.  tests/nt checks that the committed file is what this makes:
#   awk -f cmake/status_names.awk include/ntstatus.h > src/nt/rtl/status_names.inc
BEGIN {
    print "/* Made from ntstatus.h by cmake/status_names.awk. */"
}
/^#define (STATUS|DBG|RPC_NT|EPT_NT)_[A-Z0-9_]+ \(\(NTSTATUS\)0x[0-9A-Fa-f]+L?\)/ {
    value = $3
    sub(/^\(\(NTSTATUS\)/, "", value)
    sub(/L?\).*$/, "", value)
    if (value in seen)
        next
    seen[value] = 1
    words = tolower($2)
    sub(/^status_/, "", words)
    gsub(/_/, " ", words)
    printf "X(%s, \"%s\", \"%s\")\n", value, $2, words
}
