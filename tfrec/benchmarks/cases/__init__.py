"""The measurements behind ``tfrec bench speed``, one subject each."""
