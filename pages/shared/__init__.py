"""What the pages share: navigation, the selection, the caches, the components."""
