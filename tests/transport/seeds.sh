#!/bin/sh
# seeds.sh TEST_TRANSPORT: the run of one seed alone (UWSK_SIM_SEED) is the run that it was among others
# (UWSK_SIM_SEEDS), whatever the schedule.
set -u
program=$1
result=pass

# runs SCHEDULE VARIABLE=VALUE: the run of each seed, one a line.
runs() {
    env -u UWSK_TEST_RESULTS -u UWSK_TEST_SKIP -u UWSK_SIM_SEED -u UWSK_SIM_SEEDS UWSK_SIM_SCHEDULE="$1" "$2" \
        "$program" --only fin_with_transfers_in_both_directions --modes sim/windy/threads/natural --verbose 2>&1 |
        grep -o 'seed [0-9]*: [0-9]* steps, hash .*'
}

for schedule in '' random pct; do
    among=$(runs "$schedule" UWSK_SIM_SEEDS=4)
    [ "$(echo "$among" | sort -u | wc -l)" = 4 ] || result=fail
    for seed in 1 2 3 4; do
        alone=$(runs "$schedule" UWSK_SIM_SEED=$seed | tail -n 1)
        case "
$among
" in
        *"
$alone
"*) [ -n "$alone" ] && continue ;;
        esac
        echo "schedule '$schedule': alone $alone, among others:"
        echo "$among"
        result=fail
    done
done
[ -z "${UWSK_TEST_RESULTS:-}" ] || printf 'sim_seeds\t-\t%s\n' $result >>"$UWSK_TEST_RESULTS"
[ $result = pass ]
