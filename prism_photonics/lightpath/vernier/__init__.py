"""The Vernier pair: two microrings of different circumference in series between through and drop bus."""
