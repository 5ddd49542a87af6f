"""Where a category's files come from: folders, buckets and web servers."""
