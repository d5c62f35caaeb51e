package app.muzzle.core;

/**
 * Why a call into the core failed. The {@link #code} is stable and is what the app maps to words;
 * docs/jni.md lists all of them. The detail is for a developer's log and for a person who writes a
 * list or a policy by hand: it never holds a name, an address or a payload that came from traffic.
 */
public final class CoreException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** One of the codes of docs/jni.md, such as {@code bad-json}. */
    public final String code;

    /** Called by the core. */
    public CoreException(String code, String detail) {
        super(code + ": " + detail);
        this.code = code;
    }
}
