"""Heavy (torch). The built-in callbacks: learning rates, gradient norms, and a profiler."""
