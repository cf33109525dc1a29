// The public types of newel/register. `npm run api` writes this file.


