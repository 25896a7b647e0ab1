//! Guards against schemas that are taken although a rule in them binds nothing.
