"""What the benchmark is made of.

    filters     candidates that speak the milter protocol: the no-op filter, sendquotad, rspamd
    policies    candidates that speak Postfix' policy protocol: policyd-rate-limit, postfwd
    load        runs bench_load against one of them: a Figures
    rounds      candidates measured in turns; medians and ratios
    report      tables, goals, plots
"""
