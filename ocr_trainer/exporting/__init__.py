"""Heavy (torch). Exports: what an exporter implements, the gate, and the files beside an exported model."""
