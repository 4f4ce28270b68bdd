"""The explanations of what becomes of a device's packets: the plan's own rules carry one, to be put into words (pure).

:mod:`app.explain.carrier` needs the packet tracer, which netd loads when it is first asked.
"""
