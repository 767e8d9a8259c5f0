# tools/imports.tsv -> the names that are not in this runtime, for `uwsk cc` and `uwsk run` to explain
# (src/cli/absent.c): {name, planned or never, why}.
BEGIN { FS = "\t" }
/^#/ || NF < 2 { next }
$2 != "planned" && $2 != "never" {
    print FILENAME ":" FNR ": neither planned nor never: " $2 > "/dev/stderr"
    failed = 1
    next
}
{
    gsub(/[\\"]/, "\\\\&", $3)
    printf "{\"%s\", %d, \"%s\"},\n", $1, $2 == "planned", $3
}
END { exit failed }
