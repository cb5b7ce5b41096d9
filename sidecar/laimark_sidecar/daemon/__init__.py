"""The long-running process: watches, decides, acts; everything it does is a use case of the pipeline."""
