package app.muzzle.service

import android.annotation.TargetApi
import android.app.Notification
import android.app.PendingIntent
import android.app.Service
import android.content.pm.ServiceInfo
import android.net.ConnectivityManager
import android.net.LinkProperties
import android.net.VpnService
import android.os.Build
import android.service.quicksettings.TileService
import java.net.InetSocketAddress

/** Every call of the service that Android 8.0 (26) does not have. Ask before you call. */
object NewerApi {
    val hasPrivateDns get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.P
    val hasOwners get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q
    val hasMetered get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q
    val asksForNotifications get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU
    val hasSpecialUse get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE
    val collapsesByPendingIntent get() = Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE

    /** 28 and later. */
    @TargetApi(Build.VERSION_CODES.P)
    fun privateDnsName(properties: LinkProperties): String? = properties.privateDnsServerName

    /** 29 and later: the user id, or a negative number. */
    @TargetApi(Build.VERSION_CODES.Q)
    fun owner(
        connectivity: ConnectivityManager,
        protocol: Int,
        source: InetSocketAddress,
        destination: InetSocketAddress,
    ): Int = connectivity.getConnectionOwnerUid(protocol, source, destination)

    /** 29 and later: a VPN counts as metered unless it says that it is not. */
    @TargetApi(Build.VERSION_CODES.Q)
    fun followMetered(builder: VpnService.Builder) {
        builder.setMetered(false)
    }

    /** 34 and later. */
    @TargetApi(Build.VERSION_CODES.UPSIDE_DOWN_CAKE)
    fun startSpecialUse(
        service: Service,
        id: Int,
        notification: Notification,
    ) = service.startForeground(id, notification, ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE)

    /** 34 and later. */
    @TargetApi(Build.VERSION_CODES.UPSIDE_DOWN_CAKE)
    fun collapse(
        tile: TileService,
        intent: PendingIntent,
    ) = tile.startActivityAndCollapse(intent)
}
