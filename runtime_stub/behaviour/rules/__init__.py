"""What goes wrong on purpose: rules that say which calls take longer or fail, how, and how often.

Pure. `subject` is what a call is about, `rule` one rule, `rulebook` the rules in force with their counts and their
chance, `pieces` says at which places of a call a rule can strike, `checks` finds rules that could never do anything.
"""
