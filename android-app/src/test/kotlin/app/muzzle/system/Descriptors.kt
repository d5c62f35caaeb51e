package app.muzzle.system

import android.os.ParcelFileDescriptor
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.shadows.ShadowParcelFileDescriptor

/** Gives a descriptor away by its number, which Robolectric leaves out. */
@Implements(ParcelFileDescriptor::class)
class Descriptors : ShadowParcelFileDescriptor() {
    @RealObject
    private lateinit var given: ParcelFileDescriptor

    @Implementation
    protected fun detachFd(): Int = getFd().also { GIVEN += given }

    private companion object {
        /** Kept for ever: whoever got the number closes it, and nothing may close it a second time. */
        val GIVEN = mutableListOf<ParcelFileDescriptor>()
    }
}
