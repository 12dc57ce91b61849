"""The evidence: frames and arrays in, results out. Pure numpy and pandas, no Django, no clock, no chance.

    blocks, yardsticks = fold(items, yardsticks, first, last)     # store both
    comparisons = compare(blocks, night, settings)                # the same rows give the same results

What goes in, in the order of its making:

    shares        share_key, read_shares: the share vector as text; imported_shares: the same for imported rows
    items         from_calls: calls → work items, one row and one label each
    yardsticks    Yardstick: size edges, latency thresholds and cost cut of a task type, frozen once
    blocks        fold: work items → blocks, night by night; merge: blocks of equal keys added
    histograms    LogHistogram: mergeable, for rollups and yardsticks
    buckets       histogram_of: a sample as one

The tools, each with its source:

    evalues       the two-sample night e-value, its guesses, the nightly cap, the product over nights
    discoveries   e_bh: the night's list at a false discovery rate
    rates         wilson_interval: of a success rate
    sequences     the asymptotic confidence sequence, stratified differences
    guard         watch: the one-sample e-value of a model on its route
    arrays        the array types, and sums by group

One night, top to bottom:

    comparisons   compare: the entry point, which calls all the others
    runs          the incumbent, its unbroken run, and how many challengers it was ever compared with
    pairs         incumbent and challenger side by side within the same blocks
    incidents     an arm's days far below its own month
    measures      how far apart they are: success, cost, speed
    proofs        the four e-processes, and what each kind proves tonight
    gates         what must hold beside the e-value
    found         all of the night's arrays together
    plans, lacks  what is missing until a proof, in items and days
    assembly      the arrays told pair by pair
    results       the frozen dataclasses: TaskSettings in, Comparison out
    switches      best_switches: the one to propose, a task type
"""
