"""Text that somebody else wrote, made safe to read, to show and to follow: URLs, hosts, Markdown and YAML."""
