"""Built-in callbacks: learning rates, gradient norms, and a profiler."""
