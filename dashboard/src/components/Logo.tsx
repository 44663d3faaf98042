import classes from './Logo.module.css';

/** Mark and name. */
export function Logo() {
  return (
    <span className={classes['logo']}>
      <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="8" fill="#0f766e" />
        <path d="M16 6l8.66 5v10L16 26l-8.66-5V11z" fill="none" stroke="#ccfbf1" strokeWidth="2" />
        <circle cx="16" cy="16" r="3.2" fill="#fbbf24" />
      </svg>
      DECNET
    </span>
  );
}
