"""What operations rely on, proved by runs: crashes, damage, hostile input, overload, soak."""
