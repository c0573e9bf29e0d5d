"""The admins' web console."""
