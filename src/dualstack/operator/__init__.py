"""The long-running process: watches become keys, keys become reconciles."""
