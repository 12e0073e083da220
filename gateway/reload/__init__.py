"""Hot reload: one publisher checks edited tasks and publishes numbered generations; every worker follows."""
