"""What is measured: one module per benchmark, with a function ``run`` that takes the command line's other arguments.

It prints Markdown and returns an exit code; modules whose names begin with an underscore are what benchmarks share.
"""
