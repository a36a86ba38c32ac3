"""Heavy (torch). The built-in optimizers and learning rate schedules."""
