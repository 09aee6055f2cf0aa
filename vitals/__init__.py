"""The domain and the station: types, alarms, session, record, feed."""

__version__ = "0.1.0"
