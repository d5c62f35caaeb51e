package app.muzzle.system

import android.net.VpnService
import android.os.ParcelFileDescriptor
import com.android.internal.net.VpnConfig
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.util.ReflectionHelpers

/** The part of the system that gives a VPN its TUN: keeps what was asked for, and hands out [next]. */
@Implements(VpnService.Builder::class)
class SystemTun {
    @RealObject
    private lateinit var builder: VpnService.Builder

    @Implementation
    protected fun establish(): ParcelFileDescriptor? {
        val config = ReflectionHelpers.getField<VpnConfig>(builder, "mConfig")
        config.addresses = ReflectionHelpers.getField(builder, "mAddresses")
        config.routes = ReflectionHelpers.getField(builder, "mRoutes")
        asked += config
        return next(config)
    }

    /** The system's own check needs a package service that this machine has not. */
    @Implementation
    protected fun verifyApp(packageName: String) {
        RuntimeEnvironment.getApplication().packageManager.getApplicationInfo(packageName, 0)
    }

    companion object {
        val asked = mutableListOf<VpnConfig>()

        /** Null where the VPN is not granted. */
        var next: (VpnConfig) -> ParcelFileDescriptor? = { null }
    }
}
