"""Links to devices. Only these modules do IO."""
