"""The API edge: translates HTTP into one domain call and its result, or its refusal, back into HTTP."""
