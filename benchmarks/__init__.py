"""What is measured: one module per benchmark, with a function ``run`` that prints Markdown and returns an exit code."""
